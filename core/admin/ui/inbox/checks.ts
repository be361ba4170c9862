/**
 * What the checks wrote in front of a message, as a table: a row for each field, and for each finding of
 * Authentication-Results. Nobody outside can have put them there, but what they quote is the sender's word and is put in
 * escaped. Non-job: the fields that came with the message.
 */
import { parseAuthResults } from "../../../model/authres.ts";
import { type Html, markup } from "../html.ts";
import { type Tone, verdict } from "../icons.ts";

/** A finding, or a field that Postern or a plugin wrote in front of the message. */
export interface Check {
  /** The method (`spf`), or the field's name. */
  readonly name: string;
  /** Its verdict in a word; empty where it has none. */
  readonly word: string;
  /** What else it says. */
  readonly text: string;
}

/** What stands in `prepend`, without the trace. */
export function checks(prepend: string): readonly Check[] {
  const found: Check[] = [];
  for (const line of prepend.replace(/\r?\n(?=[ \t])/g, "").split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon), value = line.slice(colon + 1).trim();
    if (/^authentication-results$/i.test(name)) found.push(...findings(name, value));
    else if (!/^(?:received|return-path|delivered-to)$/i.test(name)) found.push(field(name, value));
  }
  return found;
}

/** RFC 8601 2.2, each by itself. */
function findings(name: string, value: string): readonly Check[] {
  const read = parseAuthResults(value);
  if (read === null) return [{ name, word: "", text: value }];
  return read.results.map(({ method, result, reason, properties = [] }) => ({
    name: method,
    word: result,
    text: [...properties.map(([name, value]) => `${name}=${value}`), ...reason === undefined ? [] : [`(${reason})`]]
      .join(" "),
  }));
}

/** The word that a field begins with (RFC 7208 9.1), where it begins with one. */
function field(name: string, value: string): Check {
  const word = /^[a-z]{2,9}(?=[\s,;]|$)/i.exec(value)?.[0] ?? "";
  return { name, word, text: value.slice(word.length).replace(/^[,;\s]+/, "") };
}

const TONES: ReadonlyMap<string, Tone> = new Map([
  ["pass", "ok"],
  ["fail", "bad"],
  ["softfail", "wait"],
  ["policy", "wait"],
  ["temperror", "wait"],
  ["permerror", "bad"],
  ["yes", "bad"],
  ["no", "ok"],
]);

export function checksTable(found: readonly Check[]): Html {
  if (found.length === 0) {
    return markup` <p class="pad soft">No plugin wrote anything on this message. What they write in front of it, such as <code>Authentication-Results</code> or <code>X-Spam-Status</code>, is shown here.</p>`;
  }
  return markup`
    <div class="tw">
      <table class="fields">
        <caption class="vh">What the checks wrote on this message</caption>
        <tbody>${
    found.map(({ name, word, text }) => {
      const tone = TONES.get(word.toLowerCase());
      return markup`
            <tr>
              <th scope="row">${name}</th>
              <td>${tone === undefined ? markup`<span class="dim">${word}</span>` : verdict(tone, word)}</td>
              <td class="brk">${text}</td>
            </tr>
          `;
    })
  }</tbody>
      </table>
    </div>
  `;
}
