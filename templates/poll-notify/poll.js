// The votes: one for each person, whatever they do at once.

/** @typedef {{ person: string, choice: string }} Vote */
/** @typedef {{ id: string, label: string, votes: number }} Tally */

const ATTEMPTS = 5;

/** The option that this person chose, or null. */
export async function choiceOf(votes, person) {
  const [kept] = await votesOf(votes, person);
  return kept ? kept.choice : null;
}

/**
 * Records or changes a vote; says whether anything changed.
 *
 * The same person may vote twice at the same moment, in two tabs. Then both requests may insert; so after an insert
 * each looks again, and all of them keep the vote with the lowest id and delete the rest. Whichever change is stored
 * last is the one that counts.
 */
export async function vote(votes, person, choice) {
  let changed = false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [kept, ...doubles] = await votesOf(votes, person);
    if (!kept) {
      await votes.insert({ person, choice });
      changed = true;
      continue;
    }
    await Promise.all(doubles.map((double) => votes.delete(double.id).catch((error) => unless(/not_found/, error))));
    if (kept.choice === choice) return changed;
    try {
      await votes.update(kept.id, { choice }, { version: kept.version });
      return true;
    } catch (error) {
      // Changed or deleted since it was read: read it again.
      unless(/conflict|not_found/, error);
    }
  }
  throw new Error("the vote kept changing while it was being saved");
}

/** How many votes each option has; options as in `poll`. */
export async function tally(votes, options) {
  return Promise.all(
    Object.entries(options).map(async ([id, label]) => {
      const counted = await votes.count({ where: { choice: id } });
      return { id, label, votes: counted };
    }),
  );
}

async function votesOf(votes, person) {
  const { items } = await votes.list({ where: { person } });
  return items.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function unless(expected, error) {
  if (!expected.test(error.code ?? "")) throw error;
}
