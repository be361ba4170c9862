/**
 * What a program did to its files, in one order with the replies that left it: journal.c is compiled and preloaded, its
 * journal read. Non-job: what a disk would have kept of it (disk.ts).
 */
import type { TempFolder } from "../support/temp.ts";

/** A change, a sync or a reply. Paths are absolute, `at` and `size` octets, `time` milliseconds since 1970. */
export type Entry =
  & (
    | { readonly kind: "create" | "mkdir"; readonly inode: bigint; readonly path: string }
    | { readonly kind: "write"; readonly inode: bigint; readonly at: number; readonly data: Uint8Array }
    | { readonly kind: "truncate"; readonly inode: bigint; readonly size: number }
    | { readonly kind: "rename" | "link"; readonly path: string; readonly to: string }
    | { readonly kind: "unlink"; readonly path: string }
    /** `path` is the name that the file had when it was synced. */
    | {
      readonly kind: "syncBegin" | "syncEnd";
      readonly inode: bigint;
      readonly serial: number;
      readonly path: string;
    }
    | { readonly kind: "reply"; readonly text: string }
  )
  & { readonly time: number };

const KINDS = [
  null,
  "create",
  "mkdir",
  "write",
  "truncate",
  "rename",
  "link",
  "unlink",
  "syncBegin",
  "syncEnd",
  "reply",
] as const;
const HEAD = 40;

export class Journal {
  private constructor(
    readonly path: string,
    /** For the program's environment. */
    readonly env: Readonly<Record<string, string>>,
  ) {}

  /** Compiles the library into `folder`. Files below `root` are meant. */
  static async make(folder: TempFolder, root: string): Promise<Journal> {
    const source = new URL("journal.c", import.meta.url).pathname, library = folder.at("journal.so");
    const { success, stderr } = await new Deno.Command("gcc", {
      args: ["-O1", "-Wall", "-shared", "-fPIC", "-o", library, source, "-ldl"],
    }).output();
    if (!success) throw new Error(`gcc journal.c: ${new TextDecoder().decode(stderr)}`);
    const path = folder.at("journal");
    return new Journal(path, { LD_PRELOAD: library, POWER_JOURNAL: path, POWER_ROOT: root });
  }

  /** All that is in it. @throws when something was done that the model of a disk does not know. */
  async entries(): Promise<readonly Entry[]> {
    return parseJournal(await Deno.readFile(this.path));
  }
}

/** The records of journal.c; a last one that a kill has cut is left out. */
export function parseJournal(octets: Uint8Array): readonly Entry[] {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const text = new TextDecoder(), entries: Entry[] = [];
  for (let from = 0; from + HEAD <= octets.length;) {
    const word = (at: number) => view.getUint32(from + at, true);
    const start = from + HEAD, middle = start + word(4), end = middle + word(8);
    if (end > octets.length) break;
    const kind = KINDS[word(0)], path = text.decode(octets.subarray(start, middle));
    const data = octets.subarray(middle, end), serial = word(12);
    const inode = view.getBigUint64(from + 16, true), at = Number(view.getBigUint64(from + 24, true));
    const time = Number(view.getBigInt64(from + 32, true)) / 1000;
    switch (kind) {
      case "create":
      case "mkdir":
        entries.push({ kind, inode, path, time });
        break;
      case "write":
        entries.push({ kind, inode, at, data, time });
        break;
      case "truncate":
        entries.push({ kind, inode, size: at, time });
        break;
      case "rename":
      case "link":
        entries.push({ kind, path, to: text.decode(data), time });
        break;
      case "unlink":
        entries.push({ kind, path, time });
        break;
      case "syncBegin":
      case "syncEnd":
        entries.push({ kind, inode, serial, path, time });
        break;
      case "reply":
        entries.push({ kind, text: text.decode(data), time });
        break;
      default:
        throw new Error(`the journal has a record ${word(0)} of ${path}, which no disk here can play`);
    }
    from = end;
  }
  return entries;
}
