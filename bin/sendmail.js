#!/usr/bin/env node
/** `postrider sendmail` by its old name, for programs that want a file to call. */

import './postrider.js';
