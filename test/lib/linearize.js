// Looks for an order in which concurrent operations can have happened (Wing and Gong): each between its beginning and its
// end, each with the answer that it gave. The model says what an operation answers in a state.

/**
 * operations: [{ start, end, ... }]; state: the state before all of them, plain data; step(state, operation) gives the state
 * after it, or undefined where the operation cannot have answered what it did in that state.
 * Gives { state }, a state at the end, or { stuck }, the operations that no order can explain, after the longest attempt.
 */
export function linearize(operations, state, step) {
  const sorted = [...operations].sort((a, b) => a.start - b.start);
  const seen = new Set();
  let stuck = sorted;
  let stuckState = state;

  // pending: indexes into sorted, ascending. An explicit stack: histories are long.
  const stack = [{ pending: sorted.map((_, index) => index), state }];
  while (stack.length > 0) {
    const node = stack.pop();
    if (node.pending.length === 0) return { state: node.state };
    if (node.pending.length < stuck.length) {
      stuck = node.pending.map((index) => sorted[index]);
      stuckState = node.state;
    }
    // Only what began before everything else that is left has ended may be next.
    const firstEnd = Math.min(...node.pending.map((index) => sorted[index].end));
    const candidates = node.pending.filter((index) => sorted[index].start <= firstEnd);
    for (const index of candidates.reverse()) {
      const after = step(node.state, sorted[index]);
      if (after === undefined) continue;
      const pending = node.pending.filter((other) => other !== index);
      const key = `${pending.join()}|${JSON.stringify(after)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      stack.push({ pending, state: after });
    }
  }
  return { stuck, state: stuckState };
}
