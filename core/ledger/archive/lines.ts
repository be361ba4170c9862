/**
 * The lines of a batch, as the recorder writes them: a letter for the kind, then fields with tabs between. JSON has no tab
 * and no line end in it. Non-job: what becomes of them (archive.ts, postgres/batch.ts).
 */
export type Line =
  /** An entry, or a session of several messages. */
  | { readonly kind: "entry" | "session"; readonly head: string; readonly part: string }
  /** What came late for a message; `parent`: of a letter of this site's own, what it is about, else null. */
  | { readonly kind: "late"; readonly parent: string | null; readonly id: string; readonly data: string }
  /** What a person did, or counts. */
  | { readonly kind: "audit" | "counts"; readonly data: string };

export function* linesOf(text: string): Generator<Line> {
  for (let from = 0; from < text.length;) {
    let end = text.indexOf("\n", from);
    if (end < 0) end = text.length;
    const line = readLine(text.slice(from, end));
    if (line !== null) yield line;
    from = end + 1;
  }
}

function readLine(line: string): Line | null {
  const tab = line.indexOf("\t"), first = line.slice(1, tab < 0 ? undefined : tab), rest = line.slice(tab + 1);
  switch (line[0]) {
    case "e":
      return { kind: "entry", head: first, part: rest };
    case "s":
      return { kind: "session", head: first, part: rest };
    case "l":
      return { kind: "late", parent: null, id: first, data: rest };
    case "m": {
      const second = rest.indexOf("\t");
      return { kind: "late", parent: first, id: rest.slice(0, second), data: rest.slice(second + 1) };
    }
    case "u":
      return { kind: "audit", data: line.slice(1) };
    case "c":
      return { kind: "counts", data: line.slice(1) };
    default:
      return null;
  }
}
