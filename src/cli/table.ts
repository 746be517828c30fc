/** Tables for people: columns as wide as what is in them, the widest cut where the terminal is too narrow. */

import { shownText } from '../lib/shown-text.ts';
import { coloured, type Terminal } from './terminal.ts';

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string | number;
  readonly align?: 'left' | 'right';
}

const GAP = 2;
const NARROWEST = 8;

export function table<Row>(terminal: Terminal, columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => shownText(String(column.of(row)))));
  const natural = columns.map(({ title }, i) => Math.max(length(title), ...cells.map((row) => length(row[i] ?? ''))));
  const widths = fit(natural, terminal.width);
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => pad(cut(cell, widths[i] ?? 0), widths[i] ?? 0, columns[i]?.align ?? 'left'))
      .join(' '.repeat(GAP))
      .trimEnd();
  const head = coloured(terminal, 'bold', line(columns.map(({ title }) => title)));
  return `${[head, ...cells.map(line)].join('\n')}\n`;
}

/** Takes from the widest column, again and again, until all fit. */
function fit(natural: readonly number[], width: number | undefined): readonly number[] {
  if (width === undefined) return natural;
  const widths = [...natural];
  let excess = widths.reduce((sum, one) => sum + one, GAP * (widths.length - 1)) - width;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    const present = widths[widest] ?? 0;
    if (present <= NARROWEST) break;
    const second = Math.max(NARROWEST, ...widths.filter((_, i) => i !== widest));
    const next = Math.max(NARROWEST, present - excess, Math.min(second, present - 1));
    excess -= present - next;
    widths[widest] = next;
  }
  return widths;
}

function length(text: string): number {
  return [...text].length;
}

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - length(text)));
  return align === 'left' ? text + space : space + text;
}
