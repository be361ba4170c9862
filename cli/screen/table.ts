/**
 * Tables for people: columns under their titles, numbers to the right, cut to the width of the terminal. Elsewhere nothing
 * is cut. Non-job: what is in them (the commands), JSON.
 */
import { type Paint, type Tone, unpainted } from "./colour.ts";
import { cutTo, plain, widthOf } from "./text.ts";

export interface Column<Row> {
  readonly title: string;
  text(row: Row): string;
  /** Numbers stand to the right. */
  readonly right?: true;
  /** May be cut where the line is too long for the terminal. */
  readonly cut?: true;
  tone?(row: Row): Tone | null;
}
export interface TableOptions {
  /** Columns of the terminal; null: nothing is cut. */
  readonly width: number | null;
  readonly paint?: Paint;
}

const GAP = 2;
/** What a column that may be cut keeps as long as it can, columns. */
const LEAST = 8;

/**
 * The lines of a table, its titles first.
 *
 * @example
 * ```ts
 * import { table } from "./table.ts";
 * import { assertEquals } from "@std/assert";
 * const rows = [{ name: "spf", count: 7 }, { name: "dnsbl", count: 120 }];
 * const lines = table(rows, [
 *   { title: "plugin", text: ({ name }) => name },
 *   { title: "refused", text: ({ count }) => String(count), right: true },
 * ], { width: 80 });
 * assertEquals(lines, ["PLUGIN  REFUSED", "spf           7", "dnsbl       120"]);
 * ```
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { width, paint = unpainted }: TableOptions,
): string[] {
  const cells = rows.map((row) => columns.map((each) => plain(each.text(row))));
  const titles = columns.map(({ title }) => title.toUpperCase());
  const widths = titles.map((title, at) =>
    cells.reduce((most, each) => Math.max(most, widthOf(each[at]!)), title.length)
  );
  if (width !== null) shrink(widths, columns, width);
  const line = (texts: readonly string[], toneAt: (at: number) => Tone | null) => {
    const last = texts.length - 1;
    const parts = texts.map((text, at) => {
      const shown = cutTo(text, widths[at]!), space = " ".repeat(Math.max(0, widths[at]! - widthOf(shown)));
      const painted = shown === "" ? "" : paint(toneAt(at), shown);
      return columns[at]!.right ? space + painted : painted + (at === last ? "" : space);
    });
    return parts.join(" ".repeat(GAP)).trimEnd();
  };
  return [
    line(titles, () => "bold"),
    ...cells.map((each, index) => line(each, (at) => columns[at]!.tone?.(rows[index]!) ?? null)),
  ];
}

/** The widest of those that may be cut gives first; what does not fit then is cut from the right. */
function shrink(widths: number[], columns: readonly { readonly cut?: true }[], width: number): void {
  const all = () => widths.reduce((sum, each) => sum + each, GAP * (widths.length - 1));
  const cut = widths.map((_, at) => at).filter((at) => columns[at]!.cut);
  for (let over = all() - width; over > 0; over = all() - width) {
    const widest = cut.reduce((most, at) => most < 0 || widths[at]! > widths[most]! ? at : most, -1);
    if (widest < 0 || widths[widest]! <= LEAST) break;
    const next = Math.max(LEAST, ...cut.filter((at) => at !== widest).map((at) => widths[at]!));
    widths[widest] = Math.max(Math.min(next, widths[widest]! - 1), widths[widest]! - over);
  }
  for (let at = widths.length - 1, over = all() - width; at >= 0 && over > 0; at--, over = all() - width) {
    widths[at] = Math.max(0, widths[at]! - over);
  }
}
