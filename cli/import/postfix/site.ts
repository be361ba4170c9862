/**
 * What the parts of an import from Postfix share: its settings and services, its files, and the draft that they fill.
 * Non-job: any of the parts.
 */
import { canonicalDomain } from "../../../core/pipeline/mod.ts";
import type { Draft, Origin } from "../draft.ts";
import type { Sources } from "../sources.ts";
import { wordsOf } from "./lines.ts";
import type { Service } from "./master.ts";
import type { Setting, Settings } from "./settings.ts";
import { readTable, type Table } from "./tables.ts";

export interface Site {
  readonly settings: Settings;
  readonly services: readonly Service[];
  readonly sources: Sources;
  readonly draft: Draft;
}

/** Domains of the address classes (ADDRESS_CLASS_README), each with the line that names it. */
export interface Domains {
  /** mydestination: their names are the system's. */
  readonly local: ReadonlyMap<string, Origin>;
  readonly alias: ReadonlyMap<string, Origin>;
  readonly mailbox: ReadonlyMap<string, Origin>;
  /** relay_domains; `*.name` where names below count. */
  readonly relay: ReadonlyMap<string, Origin>;
  /** What an address without a domain gets (myorigin). */
  readonly origin: string;
}

/** Tables of a parameter that names several. */
export async function tablesOf(site: Site, setting: Setting): Promise<{ name: string; table: Table }[]> {
  const found: { name: string; table: Table }[] = [];
  for (const name of wordsOf(setting.value)) {
    found.push({ name, table: await readTable(name, { sources: site.sources, from: setting.from }) });
  }
  return found;
}

/** With a domain, as Postfix completes an address; null for what is no address. */
export function completed(text: string, origin: string): string | null {
  const bare = text.replace(/^<(.*)>$/, "$1");
  const at = bare.lastIndexOf("@");
  if (at < 0) return bare === "" ? null : `${bare.toLowerCase()}@${origin}`;
  const domain = canonicalDomain(bare.slice(at + 1));
  return domain === null ? null : `${bare.slice(0, at).toLowerCase()}@${domain}`;
}
