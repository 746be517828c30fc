import { describe } from 'node:test';
import { directoryContract } from '../directory.contract.ts';
import { memoryDirectory } from './memory-directory.ts';

describe('the directory in memory', () => directoryContract(memoryDirectory));
