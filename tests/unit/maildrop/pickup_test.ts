/** The server takes up what was left: at a listener that says yes, later, no, or nothing. */
import { assert, assertEquals } from "@std/assert";
import { type Drop, leaveDrop, makeMaildrop } from "../../../core/maildrop/drop.ts";
import { Pickup, type PickupOptions } from "../../../core/maildrop/pickup.ts";
import type { Event } from "../../../core/observe/events.ts";
import { octets } from "../../support/bytes.ts";
import { ReadOnly, testWithMounts } from "../../support/small_disk.ts";
import { TempFolder } from "../../support/temp.ts";

/** A server that answers RCPT by what the local part says, and keeps what it takes. */
class Peer implements AsyncDisposable {
  readonly taken: { readonly from: string; readonly to: readonly string[]; readonly content: string }[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #running: Promise<void>;
  constructor() {
    this.#running = this.#run();
  }
  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }
  async #run(): Promise<void> {
    for await (const conn of this.#listener) await this.#talk(conn).catch(() => {});
  }
  async #talk(conn: Deno.Conn): Promise<void> {
    using _ = conn;
    const say = (text: string) => conn.write(octets(`${text}\r\n`));
    await say("220 peer");
    let from = "", to: string[] = [], content: string | null = null, rest = "";
    for await (const text of conn.readable.pipeThrough(new TextDecoderStream())) {
      rest += text;
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (content !== null) {
          if (line !== ".") content += `${line}\n`;
          else {
            this.taken.push({ from, to, content });
            content = null;
            await say("250 2.0.0 taken");
          }
        } else if (line.startsWith("MAIL")) {
          from = /<(.*?)>/.exec(line)![1]!;
          to = [];
          await say("250 ok");
        } else if (line.startsWith("RCPT")) {
          const address = /<(.*?)>/.exec(line)![1]!;
          const code = address.startsWith("later")
            ? "451 4.2.0 later"
            : address.startsWith("no")
            ? "550 5.1.1 no such user"
            : "250 ok";
          if (code.startsWith("250")) to.push(address);
          await say(code);
        } else if (line === "DATA") {
          content = to.length > 0 ? "" : null;
          await say(to.length > 0 ? "354 go" : "554 nobody");
        } else await say("250 ok");
      }
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#running.catch(() => {});
  }
}

class House implements AsyncDisposable {
  readonly events: Event[] = [];
  readonly peer = new Peer();
  time = 1_700_000_000_000;
  pickup: Pickup;
  constructor(readonly folder: TempFolder, options: Partial<PickupOptions>) {
    this.pickup = new Pickup({
      folder: this.maildrop,
      door: { name: "mx", role: "mx", address: { host: "127.0.0.1", port: this.peer.port } },
      hostname: "mx.example.org",
      messageSize: 10_000,
      expire: 3_600_000,
      emit: (event) => void this.events.push(event),
      now: () => this.time,
      every: 1_000_000,
      ...options,
    });
  }
  static async open(options: Partial<PickupOptions> = {}): Promise<House> {
    const house = new House(await TempFolder.make(), options);
    await makeMaildrop(house.maildrop);
    return house;
  }
  get maildrop(): string {
    return this.folder.at("maildrop");
  }
  get left(): string[] {
    return [...Deno.readDirSync(this.maildrop)].map(({ name }) => name).filter((name) => name !== "bad").sort();
  }
  get aside(): string[] {
    return [...Deno.readDirSync(`${this.maildrop}/bad`)].map(({ name }) => name);
  }
  get troubles(): string[] {
    return this.events.flatMap((each) => each.type === "trouble" ? [each.message] : []);
  }
  drop(about: Partial<Drop> = {}): Promise<string> {
    const message = octets("Subject: x\r\n\r\nhello\r\n");
    return leaveDrop(this.maildrop, {
      from: "me@example.org",
      to: ["a@example.net"],
      notify: null,
      ret: null,
      envid: null,
      at: this.time,
      content: message,
      ...about,
    });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.pickup.stop();
    await this.peer[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("what is taken goes, in the order in which it came", async () => {
  await using house = await House.open();
  await house.drop({ to: ["second@example.net"], at: house.time + 2 });
  await house.drop({ to: ["first@example.net", "other@example.net"] });
  await house.pickup.look();
  assertEquals(house.peer.taken.map(({ from, to }) => [from, ...to]), [
    ["me@example.org", "first@example.net", "other@example.net"],
    ["me@example.org", "second@example.net"],
  ]);
  assertEquals(house.peer.taken[0]!.content, "Subject: x\n\nhello\n");
  assertEquals([house.left, house.troubles], [[], []]);
});

Deno.test("what is put off waits longer each time, and alone: others had it", async () => {
  await using house = await House.open();
  await house.drop({ to: ["a@example.net", "later@example.net"] });
  await house.pickup.look();
  assertEquals(house.peer.taken.map(({ to }) => to), [["a@example.net"]]);
  assertEquals(house.left.length, 1);
  await house.pickup.look(); // the one that is left, at once: it has a name of its own
  await house.pickup.look(); // and now it rests
  assertEquals(house.peer.taken.length, 1);
  assertEquals(house.troubles.length, 1);
  assert(/put off: .*later/.test(house.troubles[0]!), house.troubles[0]);
});

Deno.test("whoever left what is refused is told, by a report", async () => {
  await using house = await House.open();
  await house.drop({ to: ["no@example.net", "a@example.net"] });
  await house.pickup.look();
  const [mail, notice] = house.peer.taken;
  assertEquals([mail!.to, notice!.from, notice!.to], [["a@example.net"], "", ["me@example.org"]]);
  assert(/report-type=delivery-status/.test(notice!.content), notice!.content);
  assert(/Final-Recipient: rfc822; ?no@example\.net/.test(notice!.content), notice!.content);
  assertEquals([house.left, house.aside], [[], []]);
});

Deno.test("what is too old is given up, and its sender told", async () => {
  await using house = await House.open();
  await house.drop({ to: ["later@example.net"], at: house.time - 3_600_001 });
  await house.pickup.look();
  assertEquals(house.peer.taken.map(({ from, to }) => [from, ...to]), [["", "me@example.org"]]);
  assertEquals(house.left, []);
});

Deno.test("where nobody can be told, it is set aside for a person", async () => {
  await using house = await House.open();
  const names = [
    await house.drop({ to: ["no@example.net"], from: "" }),
    await house.drop({ to: ["no@example.net"], from: "no@example.org" }),
  ];
  await house.pickup.look();
  assertEquals([house.left, house.aside.sort()], [[], names.sort()]);
  assertEquals(house.troubles.length, 2);
});

Deno.test("a file that is no message is set aside, and holds up nobody", async () => {
  await using house = await House.open();
  const bad = "0".repeat(26) + "-" + "0".repeat(24);
  await Deno.writeTextFile(`${house.maildrop}/${bad}`, "rubbish");
  await Deno.writeTextFile(`${house.maildrop}/README`, "not ours");
  await house.drop();
  await house.pickup.look();
  assertEquals([house.aside, house.left, house.peer.taken.length], [[bad], ["README"], 1]);
  assert(house.troubles[0]!.includes("set aside"), house.troubles[0]);
});

Deno.test("a server that is not there changes nothing", async () => {
  await using house = await House.open({ door: { name: "", role: "mx", address: { host: "127.0.0.1", port: 1 } } });
  const name = await house.drop();
  await house.pickup.look();
  assertEquals(house.left, [name]);
  assert(/put off/.test(house.troubles[0]!));
});

Deno.test("without a door mail waits, and it is said once", async () => {
  await using house = await House.open({ door: null });
  await house.drop();
  await house.pickup.look();
  await house.pickup.look();
  assertEquals([house.left.length, house.troubles.length], [1, 1]);
});

Deno.test("what nobody finished writing goes after a day and a half", async () => {
  await using house = await House.open();
  const [old, young] = ["tmp-old", "tmp-young"];
  for (const name of [old, young]) await Deno.writeTextFile(`${house.maildrop}/${name}`, "half");
  const day = 86_400;
  await Deno.utime(`${house.maildrop}/${old}`, house.time / 1000 - 2 * day, house.time / 1000 - 2 * day);
  await Deno.utime(`${house.maildrop}/${young}`, house.time / 1000 - day, house.time / 1000 - day);
  await house.pickup.look();
  assertEquals(house.left, [young]);
});

testWithMounts("who has it does not get it again while the folder takes no writing", async () => {
  await using house = await House.open();
  await house.drop({ to: ["a@example.net", "later@example.net", "no@example.net"] });
  await using lid = await ReadOnly.over(house.maildrop);
  for (let hour = 0; hour < 4; hour++) {
    await house.pickup.look();
    house.time += 600_000;
  }
  assertEquals(house.peer.taken.map(({ to }) => to), [["a@example.net"]]);
  assertEquals(house.left.length, 1);
  await lid.lift();
  house.time += 3_600_000;
  await house.pickup.look(); // the time is over for who was put off
  assertEquals(house.peer.taken.map(({ to }) => to), [["a@example.net"], ["me@example.org"]]);
  assertEquals([house.left, house.aside], [[], []]);
});

Deno.test("whatever a stranger puts there, the others get through", async () => {
  await using house = await House.open();
  const at = (digit: string) => `${house.maildrop}/${digit.repeat(26)}-${digit.repeat(24)}`;
  const folder = async (path: string) => {
    await Deno.mkdir(path);
    await Deno.writeTextFile(`${path}/something`, "x");
  };
  const old = house.time / 1000 - 200_000;
  await folder(`${house.maildrop}/tmp-folder`);
  await Deno.utime(`${house.maildrop}/tmp-folder`, old, old);
  for (const round of ["first", "again"]) {
    await folder(at("0"));
    await new Deno.Command("mkfifo", { args: [at("1")] }).output();
    await Deno.symlink("/etc/passwd", at("2"));
    const envelope = { from: "no@example.org", to: ["a@example.net", "no@example.net"], notify: null, ret: null };
    for (const [digit, moment] of [["3", 1e300], ["4", -1], ["5", 1.5]] as const) {
      const head = JSON.stringify({ ...envelope, envid: null, at: moment, size: 1 });
      await Deno.writeTextFile(at(digit), `postern drop 1\n${head}\nx`);
    }
    await house.drop({ to: [`${round}@example.net`] });
    house.time += 3_600_000;
    await house.pickup.look();
    await house.pickup.look();
    assertEquals(house.peer.taken.at(-1)?.to, [`${round}@example.net`]);
    assertEquals(house.left, ["tmp-folder"]);
  }
  assertEquals([house.peer.taken.length, house.aside.length], [2, 7]); // a file of the same name takes the place of one
});

Deno.test("however many wait, those that are due have their turn", async () => {
  await using house = await House.open({ most: 3 });
  for (let n = 0; n < 10; n++) await house.drop({ to: ["later@example.net"] });
  await house.drop({ to: ["a@example.net"], at: house.time + 1 });
  for (let look = 0; look < 4; look++) await house.pickup.look();
  assertEquals(house.peer.taken.map(({ to }) => to), [["a@example.net"]]);
  assertEquals(house.left.length, 10);
});
