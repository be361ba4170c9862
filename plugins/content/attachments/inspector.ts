/**
 * Looks at one file, from its decoded octets in any cut: its names, its kind by content, and where it is an archive all
 * that is in it, each file by an inspector of its own. Reports to its Inspection. Non-job: what a finding costs.
 */
import { GzipReader } from "./gzip.ts";
import type { Inflated } from "./inflater.ts";
import type { Inspection } from "./inspection.ts";
import { contradicts, type Kind, kindOf, LOOKED_AT, OPAQUE, PROGRAMS } from "./kinds.ts";
import { type Mark, MarkFinder } from "./marks.ts";
import { deniedBy, disguiseOf, isZipName } from "./names.ts";
import type { RuleName } from "./rules.ts";
import { TarLister } from "./tar.ts";
import { type ZipData, type ZipEntry, ZipLister } from "./zip.ts";

/** What is known of a file before its first octet. */
export interface FileFacts {
  /** The MIME part that it is, or that it is in. */
  readonly part: string;
  /** Every name that it may have; empty: none. */
  readonly names: readonly string[];
  /** The type that it claims, or null. */
  readonly type: string | null;
  /** Names of the archives around it, the outermost first. */
  readonly around: readonly string[];
}
interface Lister {
  /** It has seen what it can. */
  readonly over?: boolean;
  write(octets: Uint8Array): void;
  end?(): void;
}
const MIB = 1024 * 1024;
const NONE = new Uint8Array(0);
const MACROS = /(?:^|\/)(?:vbaProject\.bin|macrosheets\/)/i;

export class Inspector implements Inflated {
  kind: Kind | null = null;
  readonly #inspection: Inspection;
  readonly #facts: FileFacts;
  readonly #where: readonly string[];
  /** The first octets, and how many: they may come one by one, and are copied once. */
  #head = NONE;
  #filled = 0;
  #known = false;
  #listers: Lister[] = [];
  #size = 0;
  // Of a ZIP archive
  #declared = 0;
  readonly #locals = new Set<string>();
  readonly #centrals = new Set<string>();

  constructor(inspection: Inspection, facts: FileFacts) {
    this.#inspection = inspection;
    this.#facts = facts;
    this.#where = [...facts.around, facts.names[0] ?? "unnamed"];
    for (const name of facts.names) this.#judgeName(name, facts.around);
  }

  get done(): boolean {
    return this.#known && this.#listers.every(({ over = false }) => over);
  }

  write(octets: Uint8Array): void {
    this.#size += octets.length;
    if (this.#known) return this.#pass(octets);
    if (this.#filled === 0 && octets.length >= LOOKED_AT) return this.#look(octets);
    if (this.#head.length === 0) this.#head = new Uint8Array(LOOKED_AT);
    const part = octets.subarray(0, LOOKED_AT - this.#filled);
    this.#head.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled < LOOKED_AT) return;
    this.#look(this.#head);
    if (part.length < octets.length) this.#pass(octets.subarray(part.length));
  }

  end(): void {
    if (!this.#known) this.#look(this.#head.subarray(0, this.#filled));
    for (const lister of this.#listers) lister.end?.();
    this.#listers = [];
  }

  #report(rule: RuleName, what: string): void {
    this.#inspection.report(rule, this.#facts.part, { names: this.#where, what });
  }

  #judgeName(name: string, around: readonly string[]): void {
    const { extensions } = this.#inspection.policy, { part } = this.#facts, names = [...around, name];
    const denied = deniedBy(name, extensions);
    if (denied !== null) this.#inspection.report("name", part, { names, what: `.${denied}` });
    const disguise = disguiseOf(name, extensions);
    if (disguise !== null) this.#inspection.report("disguise", part, { names, what: disguise });
  }

  #pass(octets: Uint8Array): void {
    for (const lister of this.#listers) lister.write(octets);
  }

  /** The kind is known from here on. `head`: all octets so far. */
  #look(head: Uint8Array): void {
    this.#known = true;
    const kind = kindOf(head), { type } = this.#facts;
    this.#head = NONE;
    this.kind = kind;
    const found = (mark: Mark) => {
      if (mark === "iso") this.#report("opaque", "iso");
      else this.#report(mark, mark === "pdfScript" ? "pdf" : kind ?? "");
    };
    if (kind !== null) {
      if (PROGRAMS.has(kind)) this.#report("executable", kind);
      else if (kind === "script") this.#report("script", kind);
      else if (OPAQUE.has(kind)) this.#report("opaque", kind);
      if (kind === "rar" && isLockedRar(head)) this.#report("encrypted", kind);
      if (type !== null && contradicts(type, kind)) this.#report("mismatch", `${kind} as ${type}`);
    }
    if (kind === "zip" || this.#facts.names.some(isZipName)) this.#list("zip");
    if (kind === "tar") this.#list("tar");
    if (kind === "gzip") this.#list("gzip");
    if (kind === "ole" || kind === "pdf") this.#listers.push(new MarkFinder(kind, found));
    if (kind === null) this.#listers.push(new MarkFinder(null, found));
    this.#pass(head);
  }

  #list(kind: "zip" | "tar" | "gzip"): void {
    if (this.#facts.around.length >= this.#inspection.policy.archives.depth) {
      return this.#report("limits", `more than ${this.#inspection.policy.archives.depth} archives in each other`);
    }
    if (kind === "zip") {
      const lister = new ZipLister((entry) => this.#zipEntry(entry));
      this.#listers.push({ write: (octets) => lister.write(octets), end: () => (lister.end(), this.#endZip()) });
    } else if (kind === "tar") {
      const lister = new TarLister((name) => this.#count() ? this.#inside([name]) : null);
      const end = () => {
        lister.end();
        if (lister.broken) this.#report("broken", "a header that is none");
      };
      this.#listers.push({ write: (octets) => lister.write(octets), end });
    } else this.#listers.push(new GzipReader((name) => this.#gunzip(name)));
  }

  #count(): boolean {
    const counted = this.#inspection.countEntry();
    if (!counted) this.#report("limits", `more than ${this.#inspection.policy.archives.entries} files`);
    return counted;
  }

  #inside(names: readonly string[]): Inspector {
    return new Inspector(this.#inspection, { part: this.#facts.part, names, type: null, around: this.#where });
  }

  #gunzip(named: string | null): ZipData | null {
    const outer = this.#facts.names[0] ?? "";
    const plain = /^(.+)\.(?:gz|tgz)$/i.exec(outer)?.[1];
    const names = [named, plain].filter((name) => name !== null && name !== undefined);
    return this.#count() ? this.#inflate(this.#inside(names), false) : null;
  }

  #inflate(inspector: Inspector, trailed: boolean): ZipData | null {
    const { size } = this.#inspection.policy.archives;
    const spent = () => this.#report("limits", `more than ${size} octets unpacked`);
    const inflater = this.#inspection.inflate(inspector, { spent, trailed });
    if (inflater === null) this.#report("limits", "more to unpack than is unpacked");
    return inflater;
  }

  #zipEntry({ name, central, encrypted, method, packed, unpacked }: ZipEntry): ZipData | null {
    const known = brief(name);
    if (!this.#locals.has(known) && !this.#centrals.has(known) && !this.#count()) return null;
    (central ? this.#centrals : this.#locals).add(known);
    if (MACROS.test(name)) this.#report("macros", "vba");
    if (encrypted) this.#report("encrypted", name);
    if (central) {
      this.#declare(unpacked);
      if (!this.#locals.has(known)) this.#judgeName(name, this.#where);
      return null;
    }
    const directory = name.endsWith("/");
    if (directory || encrypted || packed === 0) {
      this.#judgeName(name, this.#where);
      return null;
    }
    const inspector = this.#inside([name]);
    if (method === 8) return this.#inflate(inspector, packed === Infinity);
    if (method === 0) return inspector;
    this.#report("opaque", `method ${method}`);
    return null;
  }

  /** What the archive says it is when it is unpacked. */
  #declare(octets: number): void {
    const { size, ratio } = this.#inspection.policy.archives;
    this.#declared += octets;
    if (this.#declared > size) this.#report("limits", `says that it unpacks to more than ${size} octets`);
    else if (this.#declared > MIB && this.#declared > ratio * this.#size) {
      this.#report("limits", `says that it unpacks to more than ${ratio} times its size`);
    }
  }

  #endZip(): void {
    if (this.kind !== "zip" && this.#centrals.size === 0) return; // it only had the name of one
    const missing = this.#centrals.size === 0 && this.#locals.size > 0;
    if (missing) this.#report("broken", "no directory");
    else if ([...this.#centrals].some((name) => !this.#locals.has(name))) {
      this.#report("broken", "a directory of other files");
    }
  }
}

/** What a name is remembered by, where thousands of four kilobytes each may be: its ends, the last with what it says it is. */
function brief(name: string): string {
  return name.length <= 256 ? name : `${name.slice(0, 64)}\0${name.slice(-128)}`;
}

/** RAR 4: the main header's flag for encrypted headers. RAR 5: an encryption header stands first. */
function isLockedRar(head: Uint8Array): boolean {
  if (head[6] === 0) return (head[10]! & 0x80) !== 0;
  const at = 12; // behind the signature and a CRC; then a size of one to three octets, then the header's type
  let type = at;
  while (type < at + 3 && (head[type]! & 0x80) !== 0) type++;
  return head[type + 1] === 4;
}
