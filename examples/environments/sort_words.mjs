// A word game behind HTTP in JavaScript, standard library only: `node examples/environments/sort_words.mjs 8201`.
// The task: bring four words into alphabetical order by `swap A B`.
import { createServer } from "node:http";

const WORDS = ["apple", "birch", "cedar", "daisy", "elm", "fern", "grape", "hazel"];
const episodes = new Map();
let made = 0;

const info = {
  splits: { train: 40, test: 10 }, // tasks train-000 to train-039 and test-000 to test-009
  max_steps: 12,
  about: "The agent sorts four words by the alphabet. Its actions are: swap A B, with two places from 1 to 4.",
  calls: ["actions"], // which optional calls there are
  repeats: true, // a step sent twice with the same index is made once
};

function shuffled(task) { // the same words for the same task, always
  let x = 7;
  for (const letter of task) x = (x * 31 + letter.charCodeAt(0)) % 1000003;
  const words = WORDS.map((word) => [(x = (x * 75 + 74) % 65537), word]).sort((a, b) => a[0] - b[0]);
  return words.slice(0, 4).map(([, word]) => word);
}

function step(episode, { action, index }) {
  if (index === episode.steps - 1 && action === episode.action) return episode.reply; // asked again
  const swap = /^swap ([1-4]) ([1-4])$/.exec(action);
  if (swap) {
    const [a, b] = [swap[1] - 1, swap[2] - 1];
    [episode.words[a], episode.words[b]] = [episode.words[b], episode.words[a]];
  }
  const done = episode.words.every((word, i, all) => i === 0 || all[i - 1] <= word);
  episode.steps += 1;
  episode.action = action;
  episode.reply = { observation: episode.words.join(" "), reward: done ? 1 : 0, done, valid: swap !== null };
  return episode.reply;
}

function answer(method, [top, id, call], body) {
  if (method === "GET" && top === "info") return [200, info];
  if (method === "POST" && top === "episodes" && !id) {
    const episode = { id: `e${made++}`, words: shuffled(body.task), steps: 0 };
    episodes.set(episode.id, episode);
    return [201, { id: episode.id, observation: `Sort by the alphabet: ${episode.words.join(" ")}` }];
  }
  const episode = episodes.get(id);
  if (!episode) return [404, { detail: "There is no such episode." }];
  if (method === "DELETE") return [episodes.delete(id) && 204, null];
  if (call === "step") return [200, step(episode, body)];
  if (call === "actions") return [200, { actions: [12, 13, 14, 23, 24, 34].map((n) => `swap ${(n / 10) | 0} ${n % 10}`) }];
  return [404, { detail: "There is no such call." }];
}

createServer(async (request, response) => {
  let text = "";
  for await (const part of request) text += part;
  const body = text ? JSON.parse(text) : {};
  const [status, reply] = answer(request.method, request.url.split("?")[0].split("/").slice(1), body);
  response.writeHead(status, { "Content-Type": "application/json" }).end(reply && JSON.stringify(reply));
}).listen(Number(process.argv[2] ?? 8201), "127.0.0.1", function () { console.log(this.address().port); });
