/**
 * Cuts text into words as people and classifiers see them, without copying any: places and a hash for each. Letters of
 * scripts without spaces are words of their own; characters that nobody sees are left out and counted. One pass.
 * Non-job: what a word means (phrases.ts, bayes/tokens.ts).
 */

/** What a character is to a text. */
const NONE = 0, LETTER = 1, DIGIT = 2, JOINER = 3, ALONE = 4, INVISIBLE = 5, BANG = 6;
const CLASSES = classes();

/** A word is cut off here. */
const LONGEST = 40;

/** What was found on the way. */
export interface WordCount {
  readonly words: number;
  /** Letters with case that are large; and all letters A to Z, either case. */
  readonly large: number;
  readonly letters: number;
  /** Zero-width characters and soft hyphens inside of words. */
  readonly invisible: number;
  /** Words of Latin letters with Cyrillic or Greek ones among them. */
  readonly mixed: number;
}
/** Is told of a word: `hash` of its lower case, its place in the text, and what it is, of the four below. */
export type Visit = (hash: number, start: number, end: number, kind: number) => void;
/** `NUMBER` is digits and signs, `SHOUTED` has three letters at least and all of them large. */
export const WORD = 0, SHOUTED = 1, NUMBER = 2, BANGS = 3;

/** FNV-1a over UTF-16 units, from a seed. */
export function hashOf(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}
/** Spreads a hash over all 32 bits. */
export function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Tells of each word in at most `most` characters of the text. */
export function eachWord(text: string, visit: Visit, most = Infinity): WordCount {
  const end = Math.min(text.length, most);
  let words = 0, large = 0, letters = 0, invisible = 0, mixedWords = 0;
  for (let at = 0; at < end;) {
    let code = text.charCodeAt(at), kind = CLASSES[code]!;
    if (kind === NONE || kind === JOINER || kind === INVISIBLE) {
      at++;
      continue;
    }
    const start = at;
    let hash = 0x811c9dc5;
    if (kind === ALONE || kind === BANG) {
      while (at < end && text.charCodeAt(at) === code && at - start < 3) at++;
      hash = Math.imul(Math.imul(hash ^ code, 0x01000193) ^ (at - start), 0x01000193);
      visit(hash, start, at, kind === BANG ? BANGS : WORD);
      words++;
      continue;
    }
    let upper = 0, lower = 0, digits = 0, latin = false, alike = false, last = at;
    for (; at < end; at++) {
      code = text.charCodeAt(at);
      kind = CLASSES[code]!;
      if (kind === INVISIBLE) {
        invisible++;
        continue;
      }
      if (kind === JOINER) {
        const next = CLASSES[text.charCodeAt(at + 1)]; // NaN at the end: no class
        if (next !== LETTER && next !== DIGIT) break;
      } else if (kind === DIGIT) digits++;
      else if (kind === LETTER) {
        if (code < 128) {
          latin = true;
          if (code < 97) {
            upper++;
            code |= 32;
          } else lower++;
        } else if (code < 0x250) {
          latin = true;
          if (code >= 0xc0 && code <= 0xde) code |= 32;
          lower++;
        } else {
          if (code >= 0x410 && code <= 0x42f) code += 32; // Cyrillic
          if (code >= 0x370 && code < 0x530) alike = true;
          lower++;
        }
      } else break;
      last = at + 1;
      if (at - start < LONGEST) hash = Math.imul(hash ^ code, 0x01000193);
    }
    large += upper;
    letters += upper + lower;
    words++;
    if (latin && alike) mixedWords++;
    visit(
      hash,
      start,
      last,
      upper + lower === 0 && digits > 0 ? NUMBER : upper > 2 && lower === 0 ? SHOUTED : WORD,
    );
  }
  return { words, large, letters, invisible, mixed: mixedWords };
}

/** The words of a text, kept for several readers. */
export interface Words extends WordCount {
  readonly text: string;
  /** Tells of each word, in order. */
  each(visit: Visit): void;
}

/** Four numbers a word. Nobody else has it meanwhile: a text is cut without waiting. */
let scratch = new Int32Array(4 * 4096);

/** Cuts at most `most` characters of a text into words, once. */
export function wordsOf(text: string, most: number): Words {
  let length = 0;
  const count = eachWord(text, (hash, start, end, kind) => {
    if (length === scratch.length) {
      const before = scratch;
      (scratch = new Int32Array(2 * length)).set(before);
    }
    scratch[length] = hash;
    scratch[length + 1] = start;
    scratch[length + 2] = end;
    scratch[length + 3] = kind;
    length += 4;
  }, most);
  const kept = scratch.slice(0, length);
  return {
    ...count,
    text,
    each(visit) {
      for (let at = 0; at < kept.length; at += 4) visit(kept[at]!, kept[at + 1]!, kept[at + 2]!, kept[at + 3]!);
    },
  };
}

function classes(): Uint8Array {
  const table = new Uint8Array(65_536);
  const set = (from: number, to: number, kind: number) => table.fill(kind, from, to + 1);
  set(0xc0, 0x2e7f, LETTER);
  set(0x2000, 0x206f, NONE); // punctuation
  set(0x2190, 0x2bff, ALONE); // arrows, signs, drawings
  set(0x2e80, 0xffff, ALONE); // scripts without spaces, halves of pictures
  set(0x3000, 0x303f, NONE);
  set(0xac00, 0xd7a3, LETTER); // Hangul has spaces
  set(0xff00, 0xff0f, NONE);
  for (const code of [0xd7, 0xf7, 0xfffd]) table[code] = NONE;
  for (const code of [0xad, 0x34f, 0x180e, 0x200b, 0x200c, 0x200d, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0xfeff]) {
    table[code] = INVISIBLE;
  }
  set(97, 122, LETTER);
  set(65, 90, LETTER);
  set(48, 57, DIGIT);
  for (const char of "$£€%") table[char.charCodeAt(0)] = DIGIT;
  for (const char of "'’.,-_@&") table[char.charCodeAt(0)] = JOINER;
  for (const char of "!?") table[char.charCodeAt(0)] = BANG;
  return table;
}
