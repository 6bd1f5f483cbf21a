// One chart, drawn by Chart.js: for each row a line, smoothed or not, behind it what the
// smoothing leaves out, and a faint band from the least to the greatest of each bucket. The
// legend is HTML: it names the values at the pointer (or the newest), and its buttons hide a
// row. Gestures and keys are zoom.js's; what is looked at is panel.js's.

import { h, setText, uniqueId, announce, stroke, css } from './dom.js';
import * as f from './format.js';
import { AXES } from './axis.js';
import { chartOf } from './ink.js';
import { gestures } from './zoom.js';

const REDRAW_MS = 200; // at most so often, however fast points come
const FEW = 60;        // points that are drawn as such, and not smoothed
const LAYERS = 4;      // lines of a row: the band's lower and upper edge, the raw one, the smooth one

export class Plot {
	/**
	 * rows: [{id, label, colour: a custom property, dash: [], hidden, run, series}]
	 * guides: [{y, text, short}]: values that mean something. log: whether a logarithmic axis makes sense.
	 * on: zoom(from, to), reset(), cursor(x or null, this), toggle(row).
	 */
	constructor({ title, rows, guides = [], min, max, log = false, none = 'Nothing to show yet.', on, signal }) {
		Object.assign(this, { title, rows, guides, min, max, mayLog: log, on });
		this.cursor = this.brush = null;
		this.look = { axis: AXES.step, smoothing: 0, log: false, from: 0, to: 1 };
		this.drawnAt = 0;
		this.timer = this.due = this.frame = 0;
		this.canvas = h('canvas', { role: 'img', 'aria-label': title });
		this.box = h('div', { class: 'plot-box', tabindex: 0, role: 'group', 'aria-label': `${title}, chart`, 'aria-describedby': 'chart-keys' }, this.canvas);
		this.none = h('p', { class: 'plot-none muted', hidden: true }, none);
		this.at = h('span', { class: 'muted figures' });
		const id = uniqueId('plot');
		this.node = h('figure', { class: 'plot', 'aria-labelledby': id },
			h('figcaption', {}, h('span', { id }, title), this.at),
			h('div', { class: 'legend' }, rows.map((row) => this.#legend(row))),
			h('div', { class: 'plot-frame' }, this.box, this.none));
		if (!window.Chart) {
			this.box.replaceChildren(h('p', { class: 'muted' }, 'The chart library did not load.'));
			return;
		}
		this.chart = new window.Chart(this.canvas, chartOf(this));
		gestures(this, { ...on, point: (x) => this.point(x), read: (key) => this.#read(key), brush: (b) => this.#brush(b) });
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.redraw(), { signal });
		signal.addEventListener('abort', () => {
			clearTimeout(this.timer);
			this.chart.destroy();
		});
	}

	#legend(row) {
		row.value = h('span', {}, '–');
		row.range = h('span', { class: 'range' });
		row.button = h('button', {
			type: 'button', class: 'plain legend-item', 'aria-pressed': String(!row.hidden), 'data-series': row.id,
			title: `Show or hide ${row.label}`,
			onclick: () => {
				this.show(row, row.hidden);
				this.on.toggle(row);
			},
		},
			h('span', { class: 'key' }, stroke(row.colour.slice(2), row.dash), h('span', { class: 'name' }, row.label)),
			h('span', { class: 'figures' }, row.value, row.range));
		return row.button;
	}

	show(row, on) {
		row.hidden = !on;
		row.button.setAttribute('aria-pressed', String(on));
		if (this.node.isConnected)
			this.redraw();
	}

	/** It has just come into the page: drawn before it is seen, so that nothing blinks. */
	placed() {
		this.chart?.resize();
		this.redraw();
	}

	#brush(range) {
		this.brush = range;
		this.#repaint();
	}

	/** The same picture with another pointer: once a frame. */
	#repaint() {
		this.frame ||= requestAnimationFrame(() => {
			this.frame = 0;
			if (this.chart?.ctx)
				this.chart.draw();
		});
	}

	// --- Reading values -----------------------------------------------------------------

	#x(row, bucket) {
		return this.look.axis.x(row.run, bucket.last_step);
	}

	/** What is known there; nothing where others went on and this run had ended. */
	#bucket(row, x) {
		const { series, run } = row;
		const step = this.look.axis.step(run, x);
		const i = step > run.total + 0.5 ? -1 : series.nearest(step);
		return i < 0 ? null : series.buckets[i];
	}

	/** The last one that is looked at. */
	#newest(row) {
		return row.series.buckets.findLast((b) => this.#x(row, b) <= this.look.to) ?? null;
	}

	/** What is looked at; of few points also those just outside, to which their line goes. */
	#seen(row) {
		const { buckets } = row.series, more = buckets.length <= FEW ? 1 : 0;
		const first = buckets.findIndex((b) => this.#x(row, b) >= this.look.from), last = buckets.findLastIndex((b) => this.#x(row, b) <= this.look.to);
		return first < 0 || last < 0 ? [] : buckets.slice(Math.max(0, first - more), last + 1 + more);
	}

	/** Moves the pointer to a neighbour, as a key says. */
	#read(key) {
		const row = this.rows.find((r) => !r.hidden && r.series.newest) ?? this.rows[0];
		const { from, to } = this.look;
		const seen = row.series.buckets.map((b) => this.#x(row, b)).filter((x) => x >= from && x <= to);
		const last = seen.length - 1;
		const at = this.cursor === null ? last : Math.max(0, seen.findIndex((x) => x >= this.cursor));
		const next = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 20, PageDown: at + 20, Home: 0, End: last }[key];
		if (last < 0 || (next === undefined && (key !== 'Escape' || this.cursor === null)))
			return false;
		this.point(next === undefined ? null : seen[Math.min(last, Math.max(0, next))]);
		announce([this.at.textContent, ...this.rows.filter((r) => !r.hidden).map((r) => `${r.label} ${r.value.textContent}${r.range.textContent}`)].join(', '));
		return true;
	}

	/** The pointer is at a place (null: nowhere). */
	point(x) {
		this.setCursor(x);
		this.on.cursor(this.cursor, this);
	}

	setCursor(x) {
		const bucket = x === null || this.rows.length === 0 ? null : this.#bucket(this.rows[0], x);
		// With one run the pointer stands on its points.
		const snapped = x === null ? null : bucket && this.rows.every((row) => row.run === this.rows[0].run) ? this.#x(this.rows[0], bucket) : x;
		if (snapped === this.cursor)
			return;
		this.cursor = snapped;
		this.#readout();
		this.#repaint();
	}

	#readout() {
		let title = '';
		for (const row of this.rows) {
			const bucket = this.cursor === null ? this.#newest(row) : this.#bucket(row, this.cursor);
			setText(row.value, bucket ? f.figure(bucket.last) : '–');
			setText(row.range, bucket && this.cursor !== null && bucket.count > 1 ? ` (${f.figure(bucket.min)} to ${f.figure(bucket.max)})` : '');
			if (bucket && this.cursor === null && row.run !== this.rows[0].run)
				title = 'newest of each';
			else if (bucket && !title)
				title = this.cursor !== null && bucket.count > 1 && this.look.axis === AXES.step ? `steps ${f.count(bucket.step)} to ${f.count(bucket.last_step)}` : this.look.axis.text(this.cursor ?? this.#x(row, bucket));
		}
		setText(this.at, title);
	}

	// --- Drawing ------------------------------------------------------------------------

	/** Soon: many calls make one drawing, and none while the page is hidden (no frames then). */
	schedule(wait = REDRAW_MS) {
		const due = this.drawnAt + wait;
		if (this.timer && this.due <= due)
			return;
		clearTimeout(this.timer);
		this.due = due;
		this.timer = setTimeout(() => requestAnimationFrame(() => this.redraw()), Math.max(0, due - performance.now()));
	}

	#fill(row, [low, high, raw, line], dots, colour) {
		const { buckets } = row.series;
		const few = buckets.length <= FEW, smoothing = few ? 0 : this.look.smoothing;
		const xs = buckets.map((b) => this.#x(row, b));
		const positive = this.log ? (y) => (y > 0 ? y : NaN) : (y) => y;
		const points = (ys) => ys.map((y, i) => ({ x: xs[i], y: positive(y) }));
		const last = buckets.map((b) => b.last);
		low.data = points(buckets.map((b) => b.min));
		high.data = points(buckets.map((b) => b.max));
		raw.data = smoothing > 0 ? points(last) : [];
		line.data = points(smoothing > 0 ? row.series.smooth(smoothing) : last);
		high.backgroundColor = `${colour}22`; // the colours are #rrggbb
		raw.borderColor = `${colour}66`;
		line.borderColor = colour;
		line.borderDash = row.dash ?? [];
		// Few points far apart are told apart from a line that was measured everywhere.
		dots.data = few ? line.data : [];
		dots.pointBackgroundColor = dots.pointBorderColor = colour;
		low.hidden = high.hidden = raw.hidden = line.hidden = dots.hidden = row.hidden;
	}

	/** What the axis has to hold: Chart.js looks at no point outside, and would round a logarithmic one to powers of ten. */
	#height() {
		const seen = this.rows.filter((row) => !row.hidden).flatMap((row) => this.#seen(row));
		const high = seen.reduce((m, b) => Math.max(m, b.max), 0);
		if (!this.log)
			return { type: 'linear', min: this.min, max: this.max, suggestedMax: Math.max(high, this.guides[0]?.y ?? 0) || undefined };
		const low = seen.reduce((m, b) => (b.min > 0 ? Math.min(m, b.min) : m), Infinity);
		return { type: 'logarithmic', suggestedMax: undefined, ...(Number.isFinite(low) ? { min: low / 1.15, max: high * 1.15 } : { min: undefined, max: undefined }) };
	}

	redraw() {
		this.timer = 0;
		this.drawnAt = performance.now();
		this.#readout();
		if (!this.chart?.ctx)
			return;
		const { axis, from, to } = this.look;
		this.log = this.look.log && this.mayLog;
		const { datasets } = this.chart.data, n = this.rows.length;
		this.rows.forEach((row, i) => this.#fill(row, datasets.slice(LAYERS * i, LAYERS * (i + 1)), datasets[LAYERS * n + i], css(row.colour)));
		const { x, y } = this.chart.options.scales;
		x.min = from;
		x.max = to > from ? to : from + 1;
		x.title.text = axis.label;
		Object.assign(y, this.#height());
		for (const each of [x, y]) {
			each.ticks.color = css('--muted');
			each.grid.color = css('--grid');
			each.grid.borderColor = css('--line');
		}
		x.title.color = css('--muted');
		this.none.hidden = this.rows.some((row) => row.series.newest);
		this.box.classList.toggle('bare', !this.none.hidden);
		this.chart.update('none');
		this.canvas.setAttribute('aria-label', `${this.title}, ${axis.text(from)} to ${axis.text(to)}: ${this.rows.map((row) => `${row.label} ${row.value.textContent}`).join(', ')}`);
	}
}
