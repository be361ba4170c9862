/**
 * A clock that is set by years while mail waits (case 74): nobody is told that his mail failed, and nothing stands still.
 * Non-job: what the clock means for one message (tests/unit/delivery/settlement_test.ts).
 */
import { assertEquals } from "@std/assert";
import { defer } from "../../core/model/reply.ts";
import { Clock, CLOCK_MISSING } from "../support/clock.ts";
import { programOf, testUnless } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { NAME_SERVERS } from "../support/name_servers.ts";
import { waitFor } from "../support/wait.ts";
import { World } from "../support/world.ts";

const MISSING = NAME_SERVERS.filter((each) => programOf(each) === null).join(", ") || CLOCK_MISSING;

testUnless(
  MISSING,
  "case 74: a clock that jumps by ten years, there and back, ends no message and delays none",
  async (t) => {
    await using world = await World.make();
    await using clock = await Clock.make();
    let isFull = true;
    await using host = await MailHost.open({
      ...world.place(1),
      answer: ({ type }) => isFull && type === "rcpt" ? defer("4.2.2", "Full", { code: 452 }) : undefined,
    });
    const records = `@ MX 10 mx\nmx A ${world.ip(1)}\ndead MX 10 mx.dead\nmx.dead A ${world.ip(2)}`;
    await using _names = await world.nameServers({ "peers.example": { records } });
    await using site = await world.start({ retry: "1s", env: clock.env, delivery: "  delayNotice: 4h\n  expire: 5d" });

    const waiting: string[] = [];
    for (let number = 0; number < 5; number++) {
      waiting.push(await site.send({ to: [`full${number}@peers.example`] }));
      waiting.push(await site.send({ to: [`someone${number}@dead.peers.example`] }));
    }
    /** Each of them is tried twice more, whatever the clock says. */
    const tried = async (): Promise<void> => {
      const before = new Map(waiting.map((id) => [id, site.attempts(id).length]));
      await waitFor(
        "two more attempts at each",
        () => waiting.every((id) => site.attempts(id).length >= before.get(id)! + 2),
        { deadline: 40_000 },
      );
    };
    const ended = () => site.attempts().filter(({ event }) => event === "bounced");

    for (const offset of ["+10y", "+0", "-10y", "+0"]) {
      await t.step(`the clock says ${offset}`, async () => {
        await clock.set(offset);
        await tried();
        waiting.push(await site.send({ to: [`full${offset.replace(/\W/g, "x")}@peers.example`] }));
        assertEquals([ended(), await site.letters("me")], [[], []]);
      });
    }
    await t.step("afterwards all of it is delivered", async () => {
      isFull = false;
      await waitFor("nine messages", () => host.taken.length === 9, { deadline: 20_000 });
      assertEquals([ended(), await site.letters("me")], [[], []]);
    });
  },
);
