/** A thread of the test of shared places: comes and goes as it is told, and says what it was answered. Non-job: judging it. */
import { SharedPlaces } from "../../../core/threads/shared_places.ts";
import { Random } from "../../support/random.ts";

/** What it is told: where the places are, and how much it comes and goes. */
export interface Told {
  readonly memory: SharedArrayBuffer;
  readonly threads: number;
  readonly thread: number;
  readonly seed: number;
  readonly rounds: number;
  readonly peers: readonly string[];
  readonly connections: number;
  readonly perIp: number;
  /** Written to by all: how many are here of all and of each peer, and the most that were at a time. */
  readonly seen: SharedArrayBuffer;
}

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Told>) => void) | null;
  postMessage(message: unknown): void;
};

scope.onmessage = ({ data: { memory, threads, thread, seed, rounds, peers, connections, perIp, seen } }) => {
  const places = new SharedPlaces(memory, { threads, thread }).of("mx"), random = new Random(seed);
  const counts = new Int32Array(seen), here: number[] = [];
  let taken = 0, wrong = 0;
  for (let round = 0; round < rounds; round++) {
    if (here.length > 0 && random.below(2) === 0) {
      const [peer] = here.splice(random.below(here.length), 1);
      Atomics.sub(counts, 0, 1); // before it goes: what is counted here was never more than there is
      Atomics.sub(counts, 1 + peer!, 1);
      places.give(peers[peer!]!);
      continue;
    }
    const peer = random.below(peers.length);
    if (places.take(peers[peer]!, { connections, perIp }) !== null) continue;
    taken++;
    here.push(peer);
    if (Atomics.add(counts, 0, 1) + 1 > connections) wrong++;
    if (Atomics.add(counts, 1 + peer, 1) + 1 > perIp) wrong++;
  }
  scope.postMessage({ taken, wrong, left: here });
};
