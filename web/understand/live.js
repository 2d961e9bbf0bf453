// What is asked of the server while somebody moves a slider.
import { useEffect, useRef, useState } from '../parts.js';

const PATIENCE = 400; // ms that an answer may still take when it is wanted no more: it is shown on the way

// One question at a time; of those that come meanwhile the latest is asked next.
class Lane {
  constructor(show) {
    this.show = show;
  }

  ask(question) {
    this.next = question;
    clearTimeout(this.timer);
    if (!this.aborter) this.begin();
    else this.timer = setTimeout(() => this.aborter?.abort(), Math.max(0, this.began + PATIENCE - performance.now()));
  }

  async begin() {
    const question = this.next;
    this.next = null;
    this.began = performance.now();
    this.aborter = new AbortController();
    this.show({ busy: true });
    const answer = await question(this.aborter.signal).then((value) => ({ value, error: null }), (error) => (error.name === 'AbortError' ? {} : { error: error.message }));
    clearTimeout(this.timer);
    this.aborter = null;
    this.show({ ...answer, busy: Boolean(this.next), took: performance.now() - this.began });
    if (this.next) this.begin();
  }

  end() {
    this.next = null;
    this.show = () => {};
    clearTimeout(this.timer);
    this.aborter?.abort();
  }
}

// {value, busy, error, took}: what ask(signal) last came to; asked again when one of deps changes, while on is true.
export function useLive(ask, deps, on = true) {
  const [state, setState] = useState({ value: null, busy: false, error: null });
  const lane = useRef();
  lane.current ??= new Lane((patch) => setState((now) => ({ ...now, ...patch })));
  useEffect(() => () => lane.current.end(), []);
  useEffect(() => {
    if (on) lane.current.ask(ask);
  }, [...deps, on]);
  return state;
}

// Whether it has been near the window: what nobody sees is not computed.
export function useSeen(ref) {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => setSeen((was) => was || entry.isIntersecting), { rootMargin: '200px' });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return seen;
}
