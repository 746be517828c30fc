/**
 * Storage that fails: full disks, failing disks, slow disks, too many open files, with mail flowing in and out.
 *
 * Refusals let the client try again, nothing that was accepted is lost or changed, and what can go on goes on. What
 * passes is lived through; a store that can no longer be trusted ends the process, with a clear line, and the next finds
 * everything.
 */

import { type Suite } from '../suite.ts';
import { STORAGE_FAULTS } from './faults.ts';
import { brokenStore, plantedBrokenStore } from './broken.ts';
import { fullDisk } from './full.ts';
import { descriptors, passing } from './passing.ts';
import { slowFsync } from './slow.ts';
import { playAll } from './scene.ts';

const SCENES = [passing, fullDisk, plantedBrokenStore, brokenStore, slowFsync, descriptors];

export const storageSuite: Suite = {
  name: 'storage',
  about: 'full, failing and slow disks, and no file descriptors, with mail flowing',
  async run(context) {
    const { cases, failures, figures, skipped } = await playAll(SCENES, context);
    return { cases, failures, figures, skipped };
  },
  faults: STORAGE_FAULTS,
};
