/**
 * A table of addresses and what stands for them: `old@a.example`, `user@` for a name in every domain of ours,
 * `@old.example` for a domain. One step, the closest entry, never a second one: a table cannot run in circles. Names are
 * compared without case and are only ever keys of a Map. Non-job: files, whose addresses are looked up.
 */
import { type Address, canonicalDomain, formatAddress, parseAddress, sameAddress } from "../../../core/pipeline/mod.ts";
import { type Fault, type Node, TablesError } from "../node.ts";

/** An empty local part or domain stays what it was. */
type Target = Address;
const ENOUGH = 20;

/** @throws {TablesError} */
export function buildMap(table: Node, separator: string): AddressMap {
  const map = new AddressMap(separator), faults: Fault[] = [];
  const fault = (at: Fault["at"], message: string): void => void faults.push({ at, message });
  if (table.kind !== "table") {
    if (table.kind === "list" || table.text !== "") fault(table.at, "expected a table of addresses");
  } else {
    for (const { key, at, value } of table.entries) {
      const from = side(key), to = value.kind === "text" ? side(value.text) : null;
      if (from === null) fault(at, `"${key}" is no address, name@ or @domain`);
      else if (to === null) fault(value.at, `expected an address, name@ or @domain for "${key}"`);
      else if (!map.add(from, to)) fault(at, `"${key}" is there twice`);
      if (faults.length === ENOUGH) break;
    }
  }
  if (faults.length > 0) throw new TablesError(faults);
  return map;
}

/** `name@domain`, `name@` or `@domain`. */
function side(text: string): Target | null {
  const at = text.lastIndexOf("@");
  if (at === 0) {
    const domain = canonicalDomain(text.slice(1));
    return domain === null ? null : { local: "", domain };
  }
  if (at > 0 && at === text.length - 1) {
    const local = parseAddress(`${text}localhost`)?.local;
    return local ? { local, domain: "" } : null;
  }
  const address = at < 0 ? null : parseAddress(text);
  return address === null || address.local === "" ? null : address;
}

export class AddressMap {
  readonly #targets = new Map<string, Target>();

  /** `separator`: what stands behind it in a local part is kept; empty: nothing. */
  constructor(readonly separator: string) {}

  /** False when it is there already. */
  add(from: Target, to: Target): boolean {
    const key = keyOf(from.local, from.domain);
    if (this.#targets.has(key)) return false;
    this.#targets.set(key, to);
    return true;
  }

  /** What stands for the address, or null when it stays. `ours`: whether entries like `name@` mean it. */
  find(address: Address, ours: boolean): Address | null {
    const { local, domain } = address;
    const end = this.separator === "" ? -1 : local.indexOf(this.separator, 1);
    const base = end < 0 ? local : local.slice(0, end), detail = local.slice(base.length);
    for (const where of ours ? [domain, ""] : [domain]) {
      const whole = this.#targets.get(keyOf(local, where));
      if (whole !== undefined) return changed(address, whole, "");
      const part = detail === "" ? undefined : this.#targets.get(keyOf(base, where));
      if (part !== undefined) return changed(address, part, detail);
    }
    const all = this.#targets.get(keyOf("", domain));
    return all === undefined ? null : changed(address, all, detail);
  }
}

/** Null where nothing changes, or where it would be no address: too long with its detail. */
function changed(address: Address, target: Target, detail: string): Address | null {
  const other = parseAddress(formatAddress({
    local: target.local === "" ? address.local : target.local + detail,
    domain: target.domain === "" ? address.domain : target.domain,
  }));
  return other === null || sameAddress(other, address) && other.local === address.local ? null : other;
}

function keyOf(local: string, domain: string): string {
  return `${local.normalize("NFC").toLowerCase()}@${domain}`;
}
