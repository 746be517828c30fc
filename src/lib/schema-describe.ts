/** The reference page of options, from their declarations: one table for each group. */

import { type AnyOption, type Fields } from './schema-reading.ts';

interface Section {
  readonly title: string;
  readonly doc: string;
  readonly fields: Fields;
}

/** Titles of groups that have been described, by what is in them: the same options are not described twice. */
type Described = Map<string, string>;

/** Markdown. A group, the element of a list and each kind of a variant has a section of its own, after its parent's. */
export function describe(fields: Fields): string {
  return sectionsOf({ title: '', doc: '', fields }, new Map()).join('\n');
}

function sectionsOf({ title, doc, fields }: Section, described: Described): string[] {
  const level = Math.min(title.split('.').length + 1, 4);
  const heading = title === '' ? [] : [`${'#'.repeat(level)} \`${title}\``, '', ...(doc === '' ? [] : [doc, ''])];
  const rows: string[] = [];
  const inner: Section[] = [];
  for (const [name, option] of Object.entries(fields)) {
    rows.push(row(name, option, described));
    const sections = innerSections(title === '' ? name : `${title}.${name}`, option);
    for (const section of sections.filter((one) => !described.has(signature(one.fields)))) {
      described.set(signature(section.fields), section.title);
      inner.push(section);
    }
  }
  const none = ['No options of its own.', ''];
  const table = rows.length === 0 ? none : ['| Option | Is | Default | |', '| --- | --- | --- | --- |', ...rows, ''];
  return [...heading, ...table, ...inner.flatMap((one) => sectionsOf(one, described))];
}

function signature(fields: Fields): string {
  return JSON.stringify(Object.entries(fields).map(([name, { doc }]) => [name, doc]));
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
        title,
        doc: `With \`kind: '${kind}'\`:`,
        fields: { kind: kindOption(kind), ...fields },
      }));
  }
}

function kindOption(kind: string): AnyOption {
  const read = (): { readonly ok: true; readonly value: unknown } => ({ ok: true, value: kind });
  return {
    presence: 'required',
    doc: '',
    expected: `'${kind}'`,
    shown: '',
    hasDefault: false,
    inside: { kind: 'value' },
    read,
    absent: read,
  };
}

function row(name: string, option: AnyOption, described: Described): string {
  return `| \`${name}\` | ${cell(typeText(option))} | ${standing(option, described)} | ${cell(option.doc)} |`;
}

function standing(option: AnyOption, described: Described): string {
  const { inside, presence, hasDefault, shown } = option;
  if (presence === 'required') return '**required**';
  if (inside.kind !== 'group') return hasDefault ? `\`${cell(shown)}\`` : 'none';
  const place = described.get(signature(inside.fields));
  if (place === undefined) return hasDefault ? 'below' : 'none; see below';
  const values = Object.entries(inside.fields).flatMap(([name, one]) =>
    one.hasDefault && one.shown !== '' ? [`${name} ${one.shown}`] : [],
  );
  const inline = values.length === 0 ? '' : `; in it \`${cell(values.join(', '))}\``;
  return `${hasDefault ? '' : 'none; '}as \`${place}\`${inline}`;
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
