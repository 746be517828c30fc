#!/usr/bin/env node
/** `postrider mailq` by its old name, for programs that want a file to call. */

import './postrider.js';
