/** One message of the queue in full: its envelope, and each recipient with its way, its tries and what its sender heard. */
import { formatAddress } from "../../../model/address.ts";
import { shortId } from "../../../model/id.ts";
import type { QueueItem, StoredRecipient } from "../../../store/store.ts";
import { FINAL_STATES } from "../../../store/store.ts";
import { age, count, longTime, plural, size } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { page, type PageContext } from "../layout.ts";
import { buttons } from "./queue.ts";
import { destinationWord, heard, nextTry, owed, routeWord, stateWord, why } from "./recipient.ts";

export function queueItemPage(context: PageContext, item: QueueItem): Html {
  const { message, recipients } = item;
  const open = recipients.filter((each) => !FINAL_STATES.includes(each.state)).length;
  const main = markup`
    <p class="crumb"><a href="/queue">Queue</a></p>
    <div class="head"><h1 dir="auto">${message.summary.subject.trim() || "(no subject)"}</h1>${
    buttons(context, item)
  }</div>
    <dl class="card facts">
      <div>
        <dt>Id</dt>
        <dd><code>${message.id}</code></dd>
      </div>
      <div>
        <dt>Sender</dt>
        <dd class="brk"><bdi>${formatAddress(message.sender) || "null sender"}</bdi></dd>
      </div>
      <div>
        <dt>Came</dt>
        <dd>${longTime(message.receivedAt)}<small>${age(context.now - message.receivedAt)} ago</small></dd>
      </div>
      <div>
        <dt>From host</dt>
        <dd class="brk">${message.origin.ip}<small><bdi>${message.origin.helo}</bdi></small></dd>
      </div>
      <div>
        <dt>Size</dt>
        <dd>${size(message.size)}</dd>
      </div>
      <div>
        <dt>Open</dt>
        <dd>${count(open)} of ${plural(recipients.length, "recipient")}</dd>
      </div>
    </dl>
    <section class="card tw gap">
      <table class="rows">
        <caption>Recipients</caption>
        <thead>
          <tr>
            <th scope="col">Address</th>
            <th scope="col">State</th>
            <th scope="col" class="wide">Goes to</th>
            <th scope="col" class="num wide">Tries</th>
            <th scope="col" class="num wide">Next try</th>
            <th scope="col">Last words</th>
          </tr>
        </thead>
        <tbody>${recipients.map((each) => row(context, each))}</tbody>
      </table>
    </section>
  `;
  return page(context, { title: `Queue ${shortId(message.id)}`, current: "queue", main });
}

function row(context: PageContext, recipient: StoredRecipient): Html {
  const { address, original, state, route, destination, attempts, lastReply } = recipient;
  const told = heard(context, recipient), word = owed(context, recipient);
  return markup`
    <tr>
      <th scope="row" class="brk"><bdi>${formatAddress(address)}</bdi>${
    formatAddress(original) !== formatAddress(address) &&
    markup`<small class="sub">for <bdi>${formatAddress(original)}</bdi></small>`
  }</th>
      <td>${stateWord(state)}${[told, word].map((each) => each && markup`<small class="sub">${each}</small>`)}</td>
      <td class="wide">${
    route.to === "report" || FINAL_STATES.includes(state) ? routeWord(route) : destinationWord(destination)
  }</td>
      <td class="num wide">${count(attempts)}</td>
      <td class="num wide">${nextTry(context, recipient)}</td>
      <td class="words">${
    lastReply === null && route.to !== "report" ? markup`<span class="dim">none</span>` : why(recipient)
  }</td>
    </tr>
  `;
}
