/**
 * The catalogue of events as documentation: read from the source text of `event.ts`, so that the reference
 * page cannot say anything else than the types.
 *
 * It reads the form in which that file is written (interfaces with one field a line), not TypeScript at large.
 */

export interface EventDescription {
  readonly kind: string;
  readonly doc: string;
  readonly fields: readonly FieldDescription[];
}

export interface FieldDescription {
  readonly name: string;
  readonly type: string;
  readonly doc: string;
}

interface Interface {
  readonly name: string;
  readonly parents: readonly string[];
  readonly doc: string;
  readonly fields: readonly FieldDescription[];
}

const INTERFACE = /(\/\*\*(?:(?!\*\/)[^])*\*\/\s*)?(?:export )?interface (\w+)(?: extends ([\w, ]+))? \{\n([^]*?)^\}/gm;
const FIELD = /(\/\*\*(?:(?!\*\/)[^])*\*\/\s*)?readonly (\w+)\??: ([^;]+);/g;

/** One description for each interface with a field `kind`, in the order of the source; inherited fields first. */
export function describeEvents(sourceText: string): readonly EventDescription[] {
  const interfaces = new Map(readInterfaces(sourceText).map((each) => [each.name, each]));
  return [...interfaces.values()].flatMap((each) => {
    const fields = allFields(each, interfaces);
    const kind = /^'(\w+)'$/.exec(fields.find(({ name }) => name === 'kind')?.type ?? '')?.[1];
    if (kind === undefined) return [];
    return [{ kind, doc: each.doc, fields: fields.filter(({ name }) => name !== 'kind') }];
  });
}

function readInterfaces(sourceText: string): readonly Interface[] {
  return [...sourceText.matchAll(INTERFACE)].map(([, doc, name = '', parents = '', body = '']) => ({
    name,
    parents: parents.split(',').flatMap((parent) => (parent.trim() === '' ? [] : [parent.trim()])),
    doc: docText(doc),
    fields: [...body.matchAll(FIELD)].map(([, doc, name = '', type = '']) => ({
      name,
      type: type.replaceAll(/\s+/g, ' ').trim(),
      doc: docText(doc),
    })),
  }));
}

function allFields({ parents, fields }: Interface, interfaces: ReadonlyMap<string, Interface>): FieldDescription[] {
  const inherited = parents.flatMap((parent) => {
    const found = interfaces.get(parent);
    return found === undefined ? [] : allFields(found, interfaces);
  });
  return [...inherited, ...fields];
}

/** The words of a doc comment on one line. */
function docText(comment = ''): string {
  return comment
    .replaceAll(/^\s*\/\*\*|\*\/\s*$/g, '')
    .replaceAll(/\n\s*\*/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
