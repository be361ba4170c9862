/** The plugins page: what runs in which phase, in which order, and what only watches; one matrix per listener. */
import type { ListenerPlugins } from "../options.ts";
import { plural } from "./format.ts";
import { type Html, markup } from "./html.ts";
import { icon } from "./icons.ts";
import { page, type PageContext } from "./layout.ts";

const PHASES = ["connect", "helo", "auth", "mail", "rcpt", "data", "queue", "deliver"] as const;

export function pluginsPage(context: PageContext, listeners: readonly ListenerPlugins[]): Html {
  const main = markup`
    <div class="head">
      <div>
        <h1>Plugins</h1>
        <p>Each phase runs this list from top to bottom. The first to refuse or defer ends it.</p>
      </div>
    </div>
    ${
    listeners.length === 0
      ? markup`
        <section class="card pad">
          <h2>No listener</h2>
          <p class="soft">Name one in the configuration, then look at <code>postern check</code>.</p>
        </section>
      `
      : grouped(listeners).map(matrix)
  }
    <p class="note gap">${
    icon("seen")
  }A plugin in mode observe decides nothing: what it would have done is written down only.</p>
  `;
  return page(context, { title: "Plugins", current: "plugins", main });
}

interface Group {
  readonly listeners: readonly string[];
  readonly plugins: ListenerPlugins["plugins"];
}

/** Listeners that run the same list share a matrix. */
function grouped(listeners: readonly ListenerPlugins[]): Group[] {
  const groups = new Map<string, { listeners: string[]; plugins: ListenerPlugins["plugins"] }>();
  for (const { listener, plugins } of listeners) {
    const same = JSON.stringify(plugins);
    const group = groups.get(same) ?? { listeners: [], plugins };
    group.listeners.push(listener);
    groups.set(same, group);
  }
  return [...groups.values()];
}

function matrix({ listeners, plugins }: Group): Html {
  return markup`
    <section class="card tw gap" tabindex="0" aria-label="Plugins of ${listeners.join(", ")}">
      <table class="matrix">
        <caption>${listeners.join(", ")} <span>${
    plural(plugins.length, "plugin")
  }; a dot: has a say in that phase</span></caption>
        <thead>
          <tr><th scope="col">Plugin, in order</th>${
    PHASES.map((phase) => markup`<th scope="col" class="ph">${phase}</th>`)
  }</tr>
        </thead>
        <tbody>${
    plugins.length === 0
      ? markup`
            <tr>
              <td colspan="9" class="soft">None: every phase ends with its default.</td>
            </tr>
          `
      : plugins.map((plugin, i) =>
        markup`<tr${plugin.mode === "observe" && markup` class="obs"`}><th scope="row"><span class="ord">${
          i + 1
        }</span><code>${plugin.name}</code>${
          plugin.mode !== "enforce" && markup` <span class="tag seen">${plugin.mode}</span>`
        }</th>${
          PHASES.map((phase) =>
            markup`<td class="h">${
              plugin.phases.includes(phase) && markup`${icon("pass")}<span class="vh">yes</span>`
            }</td>`
          )
        }</tr>`
      )
  }</tbody>
      </table>
    </section>
  `;
}
