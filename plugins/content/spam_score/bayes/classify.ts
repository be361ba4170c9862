/**
 * Spam or ham, by Robinson's and Fisher's method: each token gives a probability, those that say something are combined by
 * the chi-square distribution once for spam and once for ham, and the balance of the two is what comes out. Pure.
 * Why this one: docs/decisions/bayes.md. Non-job: points (points.ts).
 */
import type { Counts } from "./counts.ts";

/** How much the prior counts beside what was seen, in messages; and what a token that was never seen would be. */
const STRENGTH = 0.1, UNKNOWN = 0.4;
/** A token nearer to one half than that says nothing. */
const DEVIATION = 0.35;

/** The probability that a message with this token is spam, shrunk to the prior (Robinson's f(w)). */
export function probability(counts: Counts, place: number): number {
  const spam = counts.spamAt(place), ham = counts.hamAt(place), seen = spam + ham;
  if (seen === 0) return UNKNOWN;
  const inSpam = spam / Math.max(1, counts.spam), inHam = ham / Math.max(1, counts.ham);
  return (STRENGTH * UNKNOWN + seen * (inSpam / (inSpam + inHam))) / (STRENGTH + seen);
}

export interface Opinion {
  /**
   * The natural logarithm of how much likelier chance would have made it so hammy than so spammy: above 0 it looks like
   * spam, 10 is sure, 0 is undecided or nothing is known.
   */
  readonly balance: number;
  /** Tokens that said something. */
  readonly told: number;
}

export function classify(tokens: Uint32Array, counts: Counts): Opinion {
  let told = 0, spam = 0, ham = 0;
  for (const token of tokens) {
    const place = counts.place(token);
    if (place < 0) continue;
    const p = probability(counts, place);
    if (p > 0.5 - DEVIATION && p < 0.5 + DEVIATION) continue;
    told++;
    spam += Math.log(1 - p);
    ham += Math.log(p);
  }
  if (told === 0) return { balance: 0, told };
  return { balance: logTail(-ham, told) - logTail(-spam, told), told };
}

/**
 * ln P(chi-square with 2n degrees of freedom > 2m) = ln(e^-m (1 + m + ... + m^(n-1)/(n-1)!)). The terms are summed beside
 * the largest, so that nothing overflows.
 */
export function logTail(m: number, n: number): number {
  if (m <= 0) return 0;
  const top = Math.min(n - 1, Math.floor(m)); // the largest term
  let sum = 1;
  for (let k = top, term = 1; k > 0; k--) {
    term *= k / m;
    sum += term;
    if (term < 1e-12 * sum) break;
  }
  for (let k = top + 1, term = 1; k < n; k++) {
    term *= m / k;
    sum += term;
    if (term < 1e-12 * sum) break;
  }
  return Math.min(0, top * Math.log(m) - logFactorial(top) - m + Math.log(sum));
}

function logFactorial(n: number): number {
  if (n < 2) return 0;
  if (n < 30) {
    let product = 1;
    for (let k = 2; k <= n; k++) product *= k;
    return Math.log(product);
  }
  return n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n) + 1 / (12 * n); // Stirling
}
