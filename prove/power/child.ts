/**
 * A process that opens disks after power cuts: what crashes here crashes alone.
 *
 * It is given the file of a recording and a folder of its own, then draws, in the order of their cuts; it answers each
 * with what was broken.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { Disk, type Image } from './disk.ts';
import { chanceOf, type Draw, type Judged } from './draw.ts';
import { Judge } from './judge.ts';
import { lookInto, writeImage } from './opening.ts';
import { type Cut, cutsOf, type Recording, readSteps } from './recording.ts';

const [file = '', folder = ''] = process.argv.slice(2);
const recording = JSON.parse(readFileSync(file, 'utf8')) as Recording;
const steps = readSteps(recording);
const { answers } = cutsOf(steps);
const judge = new Judge(recording);
const disk = new Disk(recording.root);
const seen = new Set<string>();
let done = 0;
let opened = 0;

process.on('message', (draw: Draw) => {
  void judged(draw).then((answer) => process.send?.(answer));
});
// The one who asks is gone.
process.on('disconnect', () => process.exit(0));
process.send?.('ready');

async function judged(draw: Draw): Promise<Judged> {
  const { cut } = draw;
  while (done < cut.steps) disk.step(steps[done++] as (typeof steps)[number]);
  const image = disk.image(chanceOf(draw));
  const isKnown = known(image, cut);
  return { failures: isKnown ? undefined : await failuresOf(image, cut) };
}

/** The promises are the answers given by then and what had happened to them by then. */
function known({ files, folders }: Image, { answered, at }: Cut): boolean {
  const hash = createHash('sha1');
  for (const path of [...folders].sort()) hash.update(`${path}\n`);
  for (const path of [...files.keys()].sort())
    if (!path.includes('/history.db')) hash.update(`${path}\n`).update(files.get(path) ?? '');
  const happened = recording.happenings.filter((happening) => happening.at <= at).length;
  const key = `${hash.digest('hex')} ${answered} ${happened}`;
  if (seen.has(key)) return true;
  seen.add(key);
  return false;
}

async function failuresOf(image: Image, { answered, at }: Cut): Promise<readonly string[]> {
  const place = join(folder, String((opened += 1)));
  mkdirSync(place);
  try {
    writeImage(image, recording.root, place);
    const found = await lookInto(join(place, 'spool'), recording.mails);
    return judge.verdict(found, { answered: new Set(answers.slice(0, answered)), at });
  } catch (error) {
    return [`it does not open: ${error instanceof Error ? error.message : String(error)}`.replaceAll(place, '')];
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
