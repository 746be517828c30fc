/**
 * Content that has come and is not fit for every server: what must be changed of it, and how it is afterwards. It is read
 * twice, in blocks, from wherever it is; most mail is never read again here.
 */

import { ContentEditor, type Edit } from '../mail/mime/edits.ts';
import { ContentFit, type Fit, type FitRules } from '../mail/mime/fit.ts';

export interface StoredContent {
  readonly section: Buffer;
  /** The body, from its beginning each time. */
  readonly blocks: () => Iterable<Buffer> | AsyncIterable<Buffer>;
}

export async function findFit({ section, blocks }: StoredContent, rules: FitRules): Promise<Fit> {
  const fit = new ContentFit(rules);
  fit.push(section);
  for await (const block of blocks()) fit.push(block);
  return fit.end();
}

export class FittedContent {
  readonly section: Buffer;
  readonly #blocks: StoredContent['blocks'];
  readonly #editor: ContentEditor;

  constructor({ section, blocks }: StoredContent, edits: readonly Edit[]) {
    this.#blocks = blocks;
    this.#editor = new ContentEditor(edits);
    this.section = Buffer.concat(this.#editor.push(section));
  }

  /** Once. Its pieces may be parts of the blocks. */
  async *body(): AsyncGenerator<Buffer> {
    for await (const block of this.#blocks())
      for (const piece of this.#editor.push(block)) if (piece.length > 0) yield piece;
    for (const piece of this.#editor.end()) if (piece.length > 0) yield piece;
  }
}
