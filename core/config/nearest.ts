/** The known name that somebody probably meant. */

/** The nearest of `names` to `name`, if it is near enough to be a typo of it. */
export function nearest(name: string, names: Iterable<string>): string | null {
  if (name.length > 64) return null; // nobody mistypes that much; keeps the work small
  let best: string | null = null, least = Math.max(1, Math.floor(name.length / 3)) + 1;
  const wanted = plain(name);
  for (const each of names) {
    const far = plain(each) === wanted ? 0 : distance(name.toLowerCase(), each.toLowerCase());
    if (far < least) [best, least] = [each, far];
  }
  return best;
}

/** `: did you mean "x"?`, or nothing. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const found = nearest(name, names);
  return found === null ? "" : `; did you mean "${found}"?`;
}

/** Camel case, snake case and kebab case of one name are the same. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, "");
}

/** Damerau-Levenshtein, adjacent transpositions: the number of slips of a finger. */
function distance(a: string, b: string): number {
  let before: number[] = [], last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}
