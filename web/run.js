// The metrics of one job as a chart needs them: the buckets of what is looked at, and what
// comes live. Time is known where something was stored with its time, and drawn straight
// between such places.

import * as api from './api.js';
import { jobs } from './state.js';
import { Series } from './series.js';

/** Bounded, and without the place that matters least: every second of the older ones. */
const MOST_ANCHORS = 4000;

export class Run {
	/** most: buckets of a series that are kept in memory */
	constructor(id, keys, most) {
		this.id = id;
		this.keys = keys;
		this.series = Object.fromEntries(keys.map((key) => [key, new Series(most)]));
		this.total = 0;       // newest step there is a metric of
		this.last = Infinity; // steps beyond are not looked at
		this.anchors = [];    // {step, ms} in order of both
		this.timed = false;
	}

	get job() {
		return jobs.get(this.id);
	}

	get stepsPerEpoch() {
		return this.job?.steps_per_epoch || 1;
	}

	/** from, last: steps. points: the most buckets of a series. */
	async load({ from, last, points, signal }) {
		const to = Number.isFinite(last) ? `&to=${Math.max(0, Math.ceil(last))}` : '';
		const answer = await api.get(`/jobs/${this.id}/metrics?series=${this.keys.join(',')}&from=${Math.max(0, Math.floor(from))}${to}&max_points=${points}`, { signal });
		signal.throwIfAborted();
		for (const key of this.keys)
			this.series[key].load(answer.series[key]?.points ?? []);
		this.last = last;
		this.total = Math.max(this.job?.step ?? 0, this.newest ?? 0);
	}

	/** Where the curves end that have a point at every step. */
	get newest() {
		return this.series.loss_d?.newest?.last_step ?? null;
	}

	/** A "metric" event; keep: the trailing steps that are looked at, 0: all. */
	append({ at, steps, series }, keep) {
		for (const key of this.keys)
			series[key]?.forEach((v, i) => steps[i] <= this.last && this.series[key].append(steps[i], v));
		this.total = Math.max(this.total, steps.at(-1) ?? 0);
		if (this.timed && steps.length > 0)
			this.#anchor(steps.at(-1), Date.parse(at));
		if (keep)
			this.keys.forEach((key) => this.series[key].dropBefore(this.total - keep + 1));
	}

	/** A "score" event: the end of an epoch was measured. */
	score({ step, ...values }) {
		for (const key of ['swd', 'ms_ssim'])
			if (typeof values[key] === 'number' && step <= this.last)
				this.series[key]?.append(step, values[key]);
	}

	// --- Time ---------------------------------------------------------------------

	/** The times of samples and checkpoints; once. */
	async loadTimes(signal) {
		if (this.timed)
			return;
		const [samples, checkpoints] = await Promise.all(['samples', 'checkpoints'].map((what) => api.getAll(`/jobs/${this.id}/${what}`, what, { signal })));
		const started = Date.parse(this.job?.started_at ?? this.job?.created_at);
		const stored = [...samples, ...checkpoints].map(({ step, created_at }) => ({ step, ms: Date.parse(created_at) }));
		stored.sort((a, b) => a.step - b.step || a.ms - b.ms);
		this.anchors = [];
		if (stored[0]?.step !== 0)
			this.#anchor(0, started);
		stored.forEach(({ step, ms }) => this.#anchor(step, ms));
		if (this.job?.finished_at)
			this.#anchor(this.job.step, Date.parse(this.job.finished_at));
		this.timed = true;
	}

	#anchor(step, ms) {
		const newest = this.anchors.at(-1);
		if (!Number.isFinite(ms) || (newest && (step <= newest.step || ms <= newest.ms)))
			return;
		this.anchors.push({ step, ms });
		if (this.anchors.length > MOST_ANCHORS)
			this.anchors = this.anchors.filter((_, i) => i % 2 === 0 || i > MOST_ANCHORS / 2);
	}

	/** Seconds since the first step, at a step. */
	timeOf(step) {
		return this.#between('step', 'ms', step, (ms) => (ms - (this.anchors[0]?.ms ?? 0)) / 1000);
	}

	stepAt(seconds) {
		return this.#between('ms', 'step', (this.anchors[0]?.ms ?? 0) + seconds * 1000, (step) => step);
	}

	/** Straight lines between the anchors, the outer ones beyond. */
	#between(from, to, value, finish) {
		const a = this.anchors;
		if (a.length < 2)
			return 0;
		let lo = 0, hi = a.length - 1;
		while (hi - lo > 1) {
			const mid = (lo + hi) >> 1;
			if (a[mid][from] <= value)
				lo = mid;
			else
				hi = mid;
		}
		const part = (value - a[lo][from]) / (a[hi][from] - a[lo][from]);
		return finish(a[lo][to] + part * (a[hi][to] - a[lo][to]));
	}
}
