/**
 * Which messages are nearly the same: groups of them stay in one fold, else a filter is asked what it was taught. Shingles
 * of five words, MinHash over them, groups by bands. Pure, and the same on every machine.
 */

const HASHES = 64, ROWS = 4, WORDS = 5;
/** Share of shingles two messages have in common, from which on they are one. */
const ALIKE = 0.5;

/** For each text the number of its group: the place of the first text that is in it. */
export function groupsOf(texts: readonly string[]): number[] {
  const signatures = texts.map(signature);
  const parent = texts.map((_, at) => at);
  const find = (at: number): number => parent[at] === at ? at : (parent[at] = find(parent[at]!));
  for (let band = 0; band < HASHES; band += ROWS) {
    const buckets = new Map<string, number[]>();
    signatures.forEach((each, at) => {
      const name = each.subarray(band, band + ROWS).join();
      const bucket = buckets.get(name);
      if (bucket) bucket.push(at);
      else buckets.set(name, [at]);
    });
    for (const [first = 0, ...others] of buckets.values()) {
      for (const other of others) {
        const [a, b] = [find(first), find(other)];
        if (a !== b && alike(signatures[first]!, signatures[other]!)) parent[Math.max(a, b)] = Math.min(a, b);
      }
    }
  }
  return texts.map((_, at) => find(at));
}

function alike(a: Uint32Array, b: Uint32Array): boolean {
  let same = 0;
  for (let at = 0; at < HASHES; at++) if (a[at] === b[at]) same++;
  return same >= ALIKE * HASHES;
}

function signature(text: string): Uint32Array {
  const words = text.replace(/<[^>]{0,2000}>/g, " ").toLowerCase().match(/[a-z]{2,20}/g) ?? [];
  const least = new Uint32Array(HASHES).fill(0xffffffff);
  for (let at = 0; at === 0 || at + WORDS <= words.length; at++) {
    let hash = 0x811c9dc5;
    for (const char of words.slice(at, at + WORDS).join(" ")) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
    for (let k = 0; k < HASHES; k++) {
      let mixed = Math.imul(hash ^ (k * 0x9e3779b9), 0x85ebca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
      mixed = (mixed ^ (mixed >>> 16)) >>> 0;
      if (mixed < least[k]!) least[k] = mixed;
    }
  }
  return least;
}
