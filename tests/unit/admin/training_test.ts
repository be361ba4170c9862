/** Lessons over the API and from the inbox's page: what is handed on, what is refused, what is said where nobody learns. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Admin, createAdmin } from "../../../core/admin/app.ts";
import { adminOptions, TestStore } from "./fixture.ts";

const ORIGIN = "http://127.0.0.1:8025";
const MAIL = "From: a@example.org\nSubject: Offer\n\nBuy\n";

/** A site whose one pupil writes down what it is taught. */
async function withPupil(
  test: (site: { admin: Admin; store: TestStore; lessons: string[] }) => Promise<void>,
  learns = true,
  meanwhile: (store: TestStore) => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  const store = new TestStore(), lessons: string[] = [];
  const teach = async (content: Uint8Array, as: string) => {
    await meanwhile(store);
    if (content.length > 0) {
      lessons.push(`${as} ${content.length} ${new TextDecoder().decode(content.subarray(0, 19))}`);
    }
    return [`pupil: ${lessons.length} lessons`];
  };
  const admin = createAdmin({ ...adminOptions(store), ...learns ? { teach } : {} });
  try {
    await test({ admin, store, lessons });
  } finally {
    await admin.close();
  }
}

async function call(admin: Admin, method: string, path: string, body?: BodyInit, type = "application/json") {
  const init = body === undefined ? {} : { body, headers: { "content-type": type } };
  const response = await admin.fetch(new Request(ORIGIN + path, { method, ...init }), { remote: "127.0.0.1" });
  return { status: response.status, body: await response.json() };
}

Deno.test("training: a message, one of the inbox, one that is held", () =>
  withPupil(async ({ admin, store, lessons }) => {
    const id = await store.deliver(MAIL), held = await store.queueUp([{ address: "a@example.org", state: "held" }]);
    assertEquals(await call(admin, "GET", "/api/v1/train"), { status: 200, body: { says: ["pupil: 0 lessons"] } });
    const posted = await call(admin, "POST", "/api/v1/train?as=ham", MAIL, "message/rfc822");
    assertEquals(posted, { status: 200, body: { says: ["pupil: 1 lessons"] } });
    assertEquals((await call(admin, "POST", `/api/v1/messages/${id}/train`, '{"as":"spam"}')).status, 200);
    assertEquals((await call(admin, "POST", `/api/v1/queue/${held}/train`, '{"as":"spam"}')).status, 200);
    assertEquals(lessons.map((each) => each.replace(/\0+$/, "")), [
      `ham ${MAIL.length} From: a@example.org`,
      `spam ${MAIL.replaceAll("\n", "\r\n").length} From: a@example.org`,
      "spam 2048 ",
    ]);
  }));

Deno.test("training: of a long message the first MiB, of one that is too long nothing", () =>
  withPupil(async ({ admin, lessons }) => {
    const long = new Uint8Array(3 * 2 ** 20).fill(65);
    assertEquals((await call(admin, "POST", "/api/v1/train?as=ham", long, "message/rfc822")).status, 200);
    assertEquals(lessons.map((each) => each.split(" ")[1]), [String(2 ** 20)]);
    const endless = new Uint8Array(10 * 2 ** 20 + 1);
    assertEquals((await call(admin, "POST", "/api/v1/train?as=ham", endless, "message/rfc822")).status, 413);
    assertEquals(lessons.length, 1);
  }));

Deno.test("training: what is wrong is told", () =>
  withPupil(async ({ admin, store, lessons }) => {
    const id = await store.deliver(MAIL), gone = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`;
    const table: [path: string, body: string | undefined, status: number, says: RegExp][] = [
      ["/api/v1/train", MAIL, 400, /spam or ham/],
      ["/api/v1/train?as=maybe", MAIL, 400, /spam or ham/],
      ["/api/v1/train?as=spam", undefined, 400, /body is the message/],
      ["/api/v1/train?as=spam", "", 400, /body is the message/],
      [`/api/v1/messages/${id}/train`, "{}", 400, /spam or ham/],
      [`/api/v1/messages/${id}/train`, "nonsense", 400, /no JSON/],
      [`/api/v1/messages/${gone}/train`, '{"as":"spam"}', 404, /not here/],
      ["/api/v1/messages/x/train", '{"as":"spam"}', 404, /not here/],
      [`/api/v1/queue/${gone}/train`, '{"as":"spam"}', 404, /left/],
      ["/api/v1/queue/x/train", '{"as":"spam"}', 404, /no|Nothing/],
    ];
    for (const [path, body, status, says] of table) {
      const answer = await call(admin, "POST", path, body, "message/rfc822");
      assertEquals(answer.status, status, `${path} ${body}`);
      assertMatch(answer.body.detail, says);
    }
    assertEquals(lessons, []);
  }));

Deno.test("training: where nobody learns that is said, and no page has a button for it", () =>
  withPupil(async ({ admin, store }) => {
    const id = await store.deliver(MAIL);
    for (const [method, path] of [["GET", "/api/v1/train"], ["POST", "/api/v1/train?as=spam"]] as const) {
      const answer = await call(admin, method, path, method === "POST" ? MAIL : undefined, "message/rfc822");
      assertEquals(answer.status, 409);
      assertStringIncludes(answer.body.detail, "spam_score");
    }
    const page = await (await admin.fetch(new Request(`${ORIGIN}/inbox/${id}`))).text();
    assert(!page.includes("Not spam"));
  }, false));

Deno.test("training: the inbox asks with a form of its own, and says what came of it", () =>
  withPupil(async ({ admin, store, lessons }) => {
    const id = await store.deliver(MAIL);
    const page = await (await admin.fetch(new Request(`${ORIGIN}/inbox/${id}?q=Offer`))).text();
    const token = /name="token" value="([^"]+)"/.exec(page)![1]!;
    for (const [as, button] of [["spam", ">Spam<"], ["ham", ">Not spam<"]] as const) {
      assertStringIncludes(page, button);
      const form = new URLSearchParams({ token, q: "Offer" });
      const answer = await admin.fetch(new Request(`${ORIGIN}/inbox/${id}/${as}`, { method: "POST", body: form }));
      const where = `/inbox/${id}?q=Offer&taught=${as}`;
      assertEquals([answer.status, answer.headers.get("location")], [303, where]);
      const then = await (await admin.fetch(new Request(ORIGIN + where))).text();
      assertStringIncludes(then, as === "spam" ? "Learned as spam." : "Learned as good mail.");
    }
    assertEquals(lessons.map((each) => each.split(" ")[0]), ["spam", "ham"]);
    const odd = await (await admin.fetch(new Request(`${ORIGIN}/inbox/${id}?taught=<b>`))).text();
    assert(!odd.includes("Learned as"));
    const forged = await admin.fetch(new Request(`${ORIGIN}/inbox/${id}/spam`, { method: "POST" }));
    assertEquals([forged.status, lessons.length], [403, 2]);
  }));

Deno.test("training: what somebody releases while it is learned as spam is not deleted on its way", () =>
  withPupil(
    async ({ admin, store, lessons }) => {
      const id = await store.queueUp([{ address: "a@example.org", state: "held" }]);
      const page = await (await admin.fetch(new Request(`${ORIGIN}/quarantine/${id}`))).text();
      const form = new URLSearchParams({ token: /name="token" value="([^"]+)"/.exec(page)![1]! });
      const answer = await admin.fetch(new Request(`${ORIGIN}/quarantine/${id}/spam`, { method: "POST", body: form }));
      assertEquals([answer.status, lessons.length], [409, 1]);
      assertEquals((await store.queue({})).items[0]?.recipients.map(({ state }) => state), ["ready"]);
    },
    true,
    (store) => store.change({ state: "held" }, { do: "release" }),
  ));
