/** Destinations that rest or have reached what they bear: why mail waits though its own next try has come. */
import type { DestinationState } from "../../../delivery/destination.ts";
import { age, count, shortTime } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { verdict } from "../icons.ts";
import { action, type PageContext } from "../layout.ts";
import { destinationWord } from "./recipient.ts";
import { filterFields, queuePath } from "./view.ts";

const SHOWN = 10;

/** Nothing when nothing has to wait; of one domain when that is asked for. */
export function destinationsCard(
  context: PageContext,
  { domain, destinations }: { readonly domain: string | undefined; readonly destinations: readonly DestinationState[] },
): Html | null {
  const waiting = destinations.filter(({ destination, closedUntil, reason }) =>
    (closedUntil !== null || reason !== null) && (domain === undefined || destination === `mx:${domain}`)
  );
  if (waiting.length === 0) return null;
  const shown = waiting.slice(0, SHOWN);
  return markup`
    <section class="card tw rest">
      <table class="rows">
        <caption>Destinations that wait <span>${
    shown.length < waiting.length
      ? markup`the first ${count(shown.length)} of ${
        count(waiting.length)
      }; <code>postern queue destinations</code> lists all`
      : count(waiting.length)
  }</span></caption>
        <thead>
          <tr>
            <th scope="col">Destination</th>
            <th scope="col">Why, and until when</th>
            <th scope="col" class="num wide">Under way</th>
            <th scope="col"><span class="vh">Actions</span></th>
          </tr>
        </thead>
        <tbody>${shown.map((each) => row(context, each))}</tbody>
      </table>
    </section>
  `;
}

function row(context: PageContext, { destination, running, closedUntil, reason }: DestinationState): Html {
  const domain = /^mx:(.+)$/s.exec(destination)?.[1], view = domain === undefined ? null : { domain };
  return markup`
    <tr>
      <td>${destinationWord(destination)}</td>
      <td>${closedUntil === null ? verdict("wait", "is full") : rests(context, closedUntil)}${
    reason !== null && reason !== "" && markup`<small class="sub ${closedUntil !== null && "words"}">${reason}</small>`
  }</td>
      <td class="num wide">${count(running)}</td>
      <td class="num"><div class="btns">${
    view !== null &&
    markup`<a class="btn quiet" href="${queuePath(view)}">Its mail</a>${
      closedUntil !== null &&
      action(context, { to: "/queue/retry", label: "Try now", kind: "quiet", fields: filterFields(view) })
    }`
  }</div></td>
    </tr>
  `;
}

/** `rests until 12:40, 11 min from now` */
function rests({ now }: PageContext, until: number): Html {
  return markup`${verdict("wait", `rests until ${shortTime(until, now)}`)} <small class="nb">${
    age(until - now)
  } more</small>`;
}
