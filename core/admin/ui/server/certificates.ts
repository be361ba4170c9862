/** The certificates page: what TLS clients are shown, who issued it, how long it still counts; and what of it to act on. */
import type { CertificateFacts } from "../../options.ts";
import { age, count, longTime } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { verdict } from "../icons.ts";
import { page, type PageContext } from "../layout.ts";

const DAY = 86_400_000;
/** Days that are left: fewer are worth a word, still fewer are a fault. */
const WARN_DAYS = 21, BAD_DAYS = 7;

/** What to act on. */
export interface CertificateWarning {
  readonly tone: "bad" | "wait";
  /** One sentence. */
  readonly text: string;
  /** The page that says more. */
  readonly href: string;
}

/** What an operator should see to, the most urgent first. What vouches for itself in the dev inbox is none of it. */
export function certificateWarnings(
  certificates: readonly CertificateFacts[],
  now: number,
): readonly CertificateWarning[] {
  return certificates.toSorted((a, b) => a.notAfter - b.notAfter).flatMap((each) => {
    const tone = toneOf(each, now), who = each.names[0] ?? each.path;
    if (tone === "ok") return [];
    return [{ tone, text: `The certificate of ${who} ${left(each, now)}`, href: "/certificates" }];
  });
}

function toneOf({ notBefore, notAfter }: CertificateFacts, now: number): "ok" | "wait" | "bad" {
  if (now > notAfter || now < notBefore) return "bad";
  const days = (notAfter - now) / DAY;
  return days < BAD_DAYS ? "bad" : days < WARN_DAYS ? "wait" : "ok";
}

function left({ notBefore, notAfter }: CertificateFacts, now: number): string {
  if (now < notBefore) return "is not valid yet: is the clock right?";
  if (now > notAfter) return `has expired ${age(now - notAfter)} ago: clients refuse it.`;
  return `expires in ${age(notAfter - now)}.`;
}

export function certificatesPage(context: PageContext, certificates: readonly CertificateFacts[] | null): Html {
  const main = markup`<div class="head">
  <div><h1>Certificates</h1><p>What clients of TLS are shown. A file that is replaced is read again by itself, within seconds.</p></div>
</div>
${certificates === null || certificates.length === 0 ? none() : table(context, certificates)}`;
  return page(context, { title: "Certificates", current: "certificates", main });
}

function none(): Html {
  return markup`
    <section class="card pad">
      <h2>No certificate</h2>
      <p class="soft">No listener speaks TLS. Name a pair in the configuration, <code>tls: { certificates: [{ cert: FILE, key: FILE }] }</code>, then look at <code>postern check</code> and reload.</p>
    </section>
  `;
}

function table({ now }: PageContext, certificates: readonly CertificateFacts[]): Html {
  return markup`
    <section class="card tw" tabindex="0" aria-label="Pairs">
      <table class="rows queue flat">
        <caption>Pairs <span>${
    count(certificates.length)
  }; the first is for clients that ask for no name, or for one that none has</span></caption>
        <thead>
          <tr>
            <th scope="col">Names</th>
            <th scope="col">Left</th>
            <th scope="col" class="wide">From, until</th>
            <th scope="col" class="wide">Issuer</th>
            <th scope="col" class="wide">Key</th>
            <th scope="col" class="wide">Listeners</th>
            <th scope="col" class="wide">File</th>
          </tr>
        </thead>
        <tbody>${certificates.map((each) => row(now, each))}</tbody>
      </table>
    </section>
  `;
}

function row(now: number, each: CertificateFacts): Html {
  const { names, issuer, selfSigned, keyType, listeners, path, writtenAt, notBefore, notAfter, fingerprint } = each;
  const tone = toneOf(each, now);
  const word = now > notAfter
    ? `expired ${age(now - notAfter)} ago`
    : now < notBefore
    ? "not valid yet"
    : age(notAfter - now);
  const from = markup`${issuer}${selfSigned && markup` <span class="tag">vouches for itself</span>`}`;
  return markup`
    <tr>
      <th scope="row" class="brk">${
    names.length === 0
      ? markup`<span class="dim">no name</span>`
      : names.map((name) => markup`<div><bdi>${name}</bdi></div>`)
  }<small class="slim">until ${longTime(notAfter)}</small><small class="slim">by ${from}</small></th>
      <td class="nb">${verdict(tone, word, tone === "ok" ? "ok" : "warn")}</td>
      <td class="wide nb">${longTime(notBefore)}<small class="sub">${longTime(notAfter)}</small></td>
      <td class="wide brk">${from}</td>
      <td class="wide nb">${keyType}</td>
      <td class="wide">${
    listeners.length === 0
      ? markup`<span class="dim">none</span>`
      : listeners.map((name) => markup`<div><code>${name}</code></div>`)
  }</td>
      <td class="wide brk"><code>${path}</code><small class="sub">${
    writtenAt === null ? "" : `written ${age(now - writtenAt)} ago`
  }</small><small class="sub" title="SHA-256 ${fingerprint}">SHA-256 ${fingerprint.slice(0, 23)}…</small></td>
    </tr>
  `;
}
