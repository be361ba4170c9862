/**
 * The configuration page: what is in force, setting by setting, where each came from, what is probably not meant, and what
 * would run. Secrets were masked before they came here (core/config/settings.ts).
 */
import type { ReadSetting } from "../../../config/settings.ts";
import type { ConfigurationFacts, Reloaded } from "../../options.ts";
import { age, count, longTime, plural } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { icon } from "../icons.ts";
import { action, page, type PageContext } from "../layout.ts";

export interface ConfigurationData {
  /** Null: nobody told. */
  readonly facts: ConfigurationFacts | null;
  /** It can be read again from here. */
  readonly reloads: boolean;
  /** What came of reading it again just now; null: nobody did. */
  readonly result: Reloaded | null;
}

export function configurationPage(context: PageContext, { facts, reloads, result }: ConfigurationData): Html {
  const main = markup`<div class="head">
  <div><h1>Configuration</h1><p>${
    facts === null
      ? "As it is in force."
      : markup`${
        facts.file === null ? "No file: the defaults" : markup`<code class="brk">${facts.file}</code>`
      }, read ${longTime(facts.readAt)}, ${age(context.now - facts.readAt)} ago`
  }</p></div>
  ${
    reloads &&
    markup`<div class="btns">${
      action(context, { to: "/configuration/reload", label: "Read it again", kind: "main" })
    }</div>`
  }
</div>
${result !== null && outcome(result)}
${facts === null ? untold() : markup`${warnings(facts)}${settings(facts.settings)}${summary(facts)}`}`;
  return page(context, { title: "Configuration", current: "configuration", main });
}

function untold(): Html {
  return markup`
    <section class="card pad">
      <h2>Nothing is known of it here</h2>
      <p class="soft">Look at it with <code>postern check</code>, which reads the file as the server would.</p>
    </section>
  `;
}

function outcome({ changed, faults }: Reloaded): Html {
  if (faults.length > 0) {
    return markup`
      <section class="card pad result" role="alert" tabindex="-1" autofocus>
        <h2 class="v v-bad">${icon("bad")}Nothing has changed: the file has ${plural(faults.length, "fault")}</h2>
        <ul class="words">${faults.map((fault) => markup`<li class="brk">${fault}</li>`)}</ul>
        <p class="soft gap">The server goes on with what it had. Mend the file, then read it again.</p>
      </section>
    `;
  }
  return markup`
    <section class="card pad result" role="status">
      <h2 class="v v-ok">${icon("ok")}It was read again, and is in force</h2>
      ${
    changed.length === 0
      ? markup`<p class="soft">Nothing in it is different.</p>`
      : markup`<ul>${changed.map((each) => markup`<li class="brk">${each}</li>`)}</ul>`
  }
    </section>
  `;
}

function warnings({ warnings }: ConfigurationFacts): Html | null {
  if (warnings.length === 0) return null;
  return markup`
    <section aria-label="Warnings"><ul class="acts">${
    warnings.map((warning) => {
      const [, key = "", rest = warning] = /^([\w.[\]]{1,80}): (.*)$/s.exec(warning) ?? [];
      return markup`<li class="wait">${icon("warn")}<span class="brk">${
        key !== "" && markup`<code>${key}</code> `
      }<b>${rest}</b></span></li>`;
    })
  }</ul></section>
  `;
}

const SOURCES = { file: "the file", default: "default", environment: "environment" } as const;

/** By their first key, a table each. */
function settings(all: readonly ReadSetting[]): Html {
  const sections = Map.groupBy(all, ({ path }) => /^[^.[]*/.exec(path)![0]);
  const given = all.filter(({ from }) => from !== "default").length;
  return markup`
    <section class="card tw" tabindex="0" aria-label="Settings">
      <table class="rows settings">
        <caption>Settings <span>${plural(all.length, "value")}, ${
    count(given)
  } of them given; secrets are masked, and values of variables are shown by their names</span></caption>
        <thead>
          <tr><th scope="col">Key</th><th scope="col">Value</th><th scope="col">From</th></tr>
        </thead>
        ${[...sections].map(([, rows]) => markup`<tbody>${rows.map(row)}</tbody>`)}
      </table>
    </section>
  `;
}

function row({ path, value, from }: ReadSetting): Html {
  return markup`<tr${
    from !== "default" && markup` class="given"`
  }><th scope="row" class="brk">${path}</th><td class="words">${
    value === "" ? markup`<span class="dim">empty</span>` : value
  }</td><td class="nb">${
    from === "default" ? markup`<span class="dim">${SOURCES[from]}</span>` : SOURCES[from]
  }</td></tr>`;
}

function summary({ summary }: ConfigurationFacts): Html | null {
  if (summary.length === 0) return null;
  return markup`
    <section class="card gap">
      <h2 class="pad">What runs</h2>
      <pre class="pad" tabindex="0" aria-label="What postern check prints">${summary.join("\n")}</pre>
    </section>
  `;
}
