/** Watches whether new mail may be taken, and tells the workers when that changes. */

import { type IntakeState } from '../../receive/ports.ts';
import { intakeState } from '../intake-gate.ts';
import { type QueueManagerContext } from './ports.ts';

export class Gate {
  readonly #context: QueueManagerContext;
  readonly #changed: (state: IntakeState) => void;
  #state: IntakeState = 'open';
  #paused = false;
  #draining = false;

  constructor(context: QueueManagerContext, changed: (state: IntakeState) => void) {
    this.#context = context;
    this.#changed = changed;
  }

  get state(): IntakeState {
    return this.#state;
  }

  pause(): Promise<void> {
    this.#paused = true;
    return this.check();
  }

  unpause(): Promise<void> {
    this.#paused = false;
    return this.check();
  }

  drain(): void {
    this.#draining = true;
    this.#set('draining');
  }

  async check(): Promise<void> {
    const { freeOctets } = await this.#context.spool.figures();
    const { minFreeOctets } = this.#context.settings();
    const facts = { paused: this.#paused, draining: this.#draining, freeOctets, minFreeOctets };
    this.#set(intakeState(facts, this.#state));
  }

  #set(state: IntakeState): void {
    if (state === this.#state) return;
    if (state === 'full') this.#context.log.warn('the disk of the spool is nearly full: no new mail is taken');
    this.#context.log.info('intake', { state });
    this.#state = state;
    this.#changed(state);
  }
}
