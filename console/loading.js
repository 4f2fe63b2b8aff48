// Data from the API as state of a component: once, or again and again while somebody can see it.
import { useEffect, useRef, useState } from './preact.js';

/** Loads when shown and when an input changes: { data, error, loading, reload }. Data stays while it is loaded again. */
export function useLoad(load, inputs = []) {
  const [state, setState] = useState({ loading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    load(stop.signal).then(
      (data) => stop.signal.aborted || setState({ data, loading: false }),
      (error) => stop.signal.aborted || setState((before) => ({ data: before.data, error, loading: false })),
    );
    return () => stop.abort();
  }, [...inputs, round]);
  return { ...state, reload: () => setRound((number) => number + 1) };
}

/**
 * Loads every so many seconds, counted from the end of the last time, except while the tab is hidden or `paused`:
 * { data, error, at }. A failure leaves the last data.
 */
export function useLive(load, seconds, paused = false) {
  const [state, setState] = useState({});
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const stop = new AbortController();
    let timer;
    let busy = false;
    const turn = async () => {
      clearTimeout(timer);
      if (document.hidden || busy) return;
      busy = true;
      try {
        const data = await latest.current(stop.signal);
        if (!stop.signal.aborted) setState({ data, at: Date.now() });
      } catch (error) {
        if (!stop.signal.aborted) setState((before) => ({ ...before, error }));
      }
      busy = false;
      if (!stop.signal.aborted) timer = setTimeout(turn, seconds * 1000);
    };
    if (!paused) {
      document.addEventListener('visibilitychange', turn);
      turn();
    }
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', turn);
    };
  }, [seconds, paused]);
  return state;
}

/** For something that is done on demand: { busy, error, run }; run gives what the work gave, or undefined when it failed. */
export function useWork() {
  const [state, setState] = useState({ busy: false });
  const run = async (work) => {
    setState({ busy: true });
    try {
      const result = await work();
      setState({ busy: false });
      return result;
    } catch (error) {
      setState({ busy: false, error });
      return undefined;
    }
  };
  return { ...state, run };
}
