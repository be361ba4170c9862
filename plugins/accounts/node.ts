/**
 * Tables of names as a tree of texts, lists and tables in which every node knows where it was written, so that a fault
 * can be shown there. One tree for what stands in the configuration and what stands in a file.
 * Non-job: reading text (reader.ts), what the names mean (each plugin).
 */

/** An offset into the file's text, or the path of keys inside the plugin's options. */
export type Place = number | readonly PropertyKey[];

export type Node =
  | { readonly kind: "text"; readonly at: Place; readonly text: string }
  | { readonly kind: "list"; readonly at: Place; readonly items: readonly Node[] }
  | { readonly kind: "table"; readonly at: Place; readonly entries: readonly Entry[] };
/** A list of these and not a record: names are data (`__proto__` is one), and one written twice must be seen twice. */
export interface Entry {
  readonly key: string;
  readonly at: Place;
  readonly value: Node;
}
export interface Fault {
  readonly at: Place;
  readonly message: string;
}

/** Text that cannot be read at all, and where. */
export class FaultError extends Error {
  override readonly name = "FaultError";
  constructor(readonly fault: Fault) {
    super(fault.message);
  }
}

/** Why tables are none, with every fault up to some twenty. */
export class TablesError extends Error {
  override readonly name = "TablesError";
  constructor(readonly faults: readonly Fault[]) {
    super(faults.map(({ message }) => message).join("\n"));
  }
}

/** The tree of plain values. Null and undefined are the empty text. */
export function fromValue(value: unknown, at: readonly PropertyKey[] = []): Node {
  if (Array.isArray(value)) {
    return { kind: "list", at, items: value.map((item, index) => fromValue(item, [...at, index])) };
  }
  if (typeof value !== "object" || value === null) return { kind: "text", at, text: String(value ?? "") };
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([key, inner]) => ({ key, at: [...at, key], value: fromValue(inner, [...at, key]) }));
  return { kind: "table", at, entries };
}
