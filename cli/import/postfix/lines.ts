/**
 * Logical lines of Postfix's files: a line that begins with white space goes on the one before, whatever comments and
 * empty lines stand between (postconf(5), master(5), postmap(1)). Non-job: what a line means.
 */

export interface Line {
  /** Of its first physical line, from 1. */
  readonly number: number;
  /** Without line ends and white space at both ends. */
  readonly text: string;
}

export function logicalLines(text: string): Line[] {
  const lines: { number: number; parts: string[] }[] = [];
  let number = 0;
  for (const raw of text.split("\n")) {
    number++;
    const line = raw.trimEnd();
    if (line === "" || /^[ \t]*#/.test(line)) continue;
    const last = lines.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) last.parts.push(line.trim());
    else lines.push({ number, parts: [line.trim()] });
  }
  return lines.map(({ number, parts }) => ({ number, text: parts.join(" ") }));
}

/** Words parted by commas and white space; what stands in braces is one of them, with its braces. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  let depth = 0, word = "";
  for (const char of text) {
    if (depth === 0 && /[,\s]/.test(char)) {
      if (word !== "") words.push(word);
      word = "";
      continue;
    }
    if (char === "{") depth++;
    else if (char === "}" && depth > 0) depth--;
    word += char;
  }
  if (word !== "") words.push(word);
  return words;
}

/** What is between the braces, or the text itself. */
export function withoutBraces(text: string): string {
  return text.startsWith("{") && text.endsWith("}") ? text.slice(1, -1).trim() : text;
}
