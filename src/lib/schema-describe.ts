/** The reference page of options, from their declarations: one table for each group. */

import { type AnyOption, type Fields } from './schema-reading.ts';

interface Section {
  readonly title: string;
  readonly doc: string;
  readonly fields: Fields;
}

/** Markdown. A group, the element of a list and each kind of a variant has a section of its own, after its parent's. */
export function describe(fields: Fields): string {
  return sectionsOf({ title: '', doc: '', fields }, 2).join('\n');
}

function sectionsOf(section: Section, level: number): string[] {
  const heading = section.title === '' ? [] : [`${'#'.repeat(Math.min(level, 4))} \`${section.title}\``, ''];
  const doc = section.doc === '' ? [] : [section.doc, ''];
  const rows = Object.entries(section.fields).map(([name, option]) => row(name, option));
  const none = ['No options of its own.', ''];
  const table = rows.length === 0 ? none : ['| Option | Is | Default | |', '| --- | --- | --- | --- |', ...rows, ''];
  const inner = Object.entries(section.fields).flatMap(([name, option]) =>
    innerSections(section.title === '' ? name : `${section.title}.${name}`, option),
  );
  return [...heading, ...doc, ...table, ...inner.flatMap((one) => sectionsOf(one, one.title.split('.').length + 1))];
}

function innerSections(title: string, option: AnyOption): Section[] {
  const { inside, doc } = option;
  switch (inside.kind) {
    case 'value':
      return [];
    case 'group':
      return [{ title, doc, fields: inside.fields }];
    case 'list':
      return innerSections(`${title}[]`, inside.of);
    case 'record':
      return innerSections(`${title}.<name>`, inside.of);
    case 'variants':
      return Object.entries(inside.forms).map(([kind, fields]) => ({
        title: `${title}`,
        doc: kindDoc(kind),
        fields: { kind: kindOption(kind), ...fields },
      }));
  }
}

function kindDoc(kind: string): string {
  return `With \`kind: '${kind}'\`:`;
}

function kindOption(kind: string): AnyOption {
  const read = (): { readonly ok: true; readonly value: unknown } => ({ ok: true, value: kind });
  const expected = `'${kind}'`;
  return {
    presence: 'required',
    doc: '',
    expected,
    shown: '',
    hasDefault: false,
    inside: { kind: 'value' },
    read,
    absent: read,
  };
}

function row(name: string, option: AnyOption): string {
  const standing = option.presence === 'required' ? '**required**' : option.hasDefault ? shownDefault(option) : 'none';
  return `| \`${name}\` | ${cell(typeText(option))} | ${standing} | ${cell(option.doc)} |`;
}

function shownDefault({ shown, inside }: AnyOption): string {
  return inside.kind === 'group' ? 'below' : `\`${cell(shown)}\``;
}

function typeText(option: AnyOption): string {
  switch (option.inside.kind) {
    case 'group':
      return 'a group';
    case 'list':
      return `a list: ${typeText(option.inside.of)}`;
    case 'record':
      return `by name: ${typeText(option.inside.of)}`;
    case 'variants':
      return `a group, one of the kinds ${Object.keys(option.inside.forms).join(', ')}`;
    case 'value':
      return option.expected;
  }
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
