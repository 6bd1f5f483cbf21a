// One metric of a run in bounded memory: buckets of consecutive steps that keep the least,
// the greatest and the last value, so that no spike is lost however long the run is.

export class Series {
	/** most: buckets kept; when there are more, neighbours are merged. */
	constructor(most = 800) {
		this.most = most;
		this.clear();
	}

	clear() {
		this.buckets = []; // {step, last_step, count, min, max, last} in order of step
		this.width = 1;    // steps a bucket may span
	}

	/** Buckets as GET /jobs/{id}/metrics gives them. */
	load(points) {
		this.buckets = points.map(({ step, last_step, count, min, max, last }) => ({ step, last_step, count, min, max, last }));
		this.width = this.buckets.reduce((w, b) => Math.max(w, b.last_step - b.step + 1), 1);
	}

	get newest() {
		return this.buckets.length > 0 ? this.buckets[this.buckets.length - 1] : null;
	}

	append(step, value) {
		const tail = this.newest;
		if (!Number.isFinite(value) || (tail && step <= tail.last_step))
			return;
		if (tail && step - tail.step < this.width) {
			tail.last_step = step;
			tail.count++;
			tail.min = Math.min(tail.min, value);
			tail.max = Math.max(tail.max, value);
			tail.last = value;
			return;
		}
		this.buckets.push({ step, last_step: step, count: 1, min: value, max: value, last: value });
		if (this.buckets.length > this.most)
			this.halve();
	}

	halve() {
		const merged = [];
		for (let i = 0; i < this.buckets.length; i += 2) {
			const a = this.buckets[i], b = this.buckets[i + 1];
			merged.push(!b ? a : {
				step: a.step, last_step: b.last_step, count: a.count + b.count,
				min: Math.min(a.min, b.min), max: Math.max(a.max, b.max), last: b.last,
			});
		}
		this.buckets = merged;
		this.width *= 2;
	}

	/** Forgets buckets that end before a step. */
	dropBefore(step) {
		let n = 0;
		while (n < this.buckets.length && this.buckets[n].last_step < step)
			n++;
		this.buckets.splice(0, n);
	}

	/** Index of the bucket whose end is nearest to a step; -1 when empty. */
	nearest(step) {
		let lo = 0, hi = this.buckets.length - 1;
		while (lo < hi) {
			const mid = (lo + hi) >> 1;
			if (this.buckets[mid].last_step < step)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo > 0 && step - this.buckets[lo - 1].last_step < this.buckets[lo].last_step - step)
			lo--;
		return hi < 0 ? -1 : lo;
	}

	/** The value at each bucket's end, smoothed: an exponential moving average in which the past
	 * weighs so much (0 to 1), as if nothing had been before the first. */
	smooth(weight) {
		let sum = 0, of = 0;
		return this.buckets.map((b) => {
			sum = weight * sum + (1 - weight) * b.last;
			of = weight * of + (1 - weight);
			return sum / of;
		});
	}
}
