// One chart of a few series against the step, drawn by Chart.js: a line through the last
// value of each bucket and a faint band from its least to its greatest. The legend above
// it is HTML: it names the values at the pointer (or the newest), and its buttons hide a
// series. Arrow keys move the pointer when the chart has the focus.

import { h, setText, uniqueId, announce } from './dom.js';
import * as f from './format.js';

const REDRAW_MS = 200; // at most so often, however fast points come

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Plot {
	/**
	 * rows: [{key, label, colour: '--custom-property', dash, series}]
	 * onCursor(step or null): the pointer moved here; tell the other plots.
	 */
	constructor({ title, rows, min, max, onCursor, signal }) {
		this.rows = rows.map((row) => ({ ...row, hidden: row.hidden === true }));
		this.title = title;
		this.cursor = null;
		this.smoothing = 0;
		this.drawnAt = 0;
		this.timer = 0;
		this.onCursor = onCursor;
		this.canvas = h('canvas', { role: 'img', 'aria-label': title });
		this.box = h('div', { class: 'plot-box', tabindex: 0, role: 'group', 'aria-label': `${title}: arrow keys read values` }, this.canvas);
		const id = uniqueId('plot');
		this.at = h('span', { class: 'muted figures' });
		this.node = h('figure', { class: 'plot', 'aria-labelledby': id },
			h('figcaption', { id }, h('span', {}, title), this.at),
			h('div', { class: 'legend' }, this.rows.map((row) => this.#legend(row))),
			this.box);
		if (!window.Chart) {
			this.box.replaceChildren(h('p', { class: 'muted' }, 'The chart library did not load.'));
			return;
		}
		this.chart = new window.Chart(this.canvas, this.#config(min, max));
		this.#listen(signal);
		signal.addEventListener('abort', () => {
			clearTimeout(this.timer);
			this.chart.destroy();
		});
	}

	#legend(row) {
		row.value = h('span', {}, '–');
		row.range = h('span', { class: 'range' });
		row.button = h('button', {
			type: 'button', class: 'plain legend-item', 'aria-pressed': String(!row.hidden), 'data-series': row.key,
			title: `Show or hide ${row.label}`,
			onclick: () => {
				row.hidden = !row.hidden;
				row.button.setAttribute('aria-pressed', String(!row.hidden));
				this.redraw();
			},
		}, 
			h('span', {}, h('span', { class: `swatch ${row.key}`, 'aria-hidden': 'true' }), h('span', { class: 'name' }, row.label)),
			h('span', { class: 'figures' }, row.value, row.range));
		return row.button;
	}

	#config(min, max) {
		const common = { parsing: false, pointRadius: 0, pointHitRadius: 0, borderJoinStyle: 'round', tension: 0 };
		const datasets = this.rows.flatMap(() => [
			{ ...common, borderWidth: 0, fill: false },
			{ ...common, borderWidth: 0, fill: '-1' },
			{ ...common, borderWidth: 1.6, fill: false },
		]);
		const plot = this;
		return {
			type: 'line',
			data: { datasets },
			options: {
				animation: false, responsive: true, maintainAspectRatio: false, normalized: true, events: [],
				plugins: { legend: { display: false }, tooltip: { enabled: false } },
				scales: {
					x: { type: 'linear', grid: { drawTicks: false }, border: { display: false }, ticks: { maxTicksLimit: 7, maxRotation: 0, padding: 6, callback: (v) => (Number.isInteger(v) ? f.count(v) : '') } },
					y: { min, max, suggestedMin: 0, grid: { drawTicks: false }, ticks: { maxTicksLimit: 6, padding: 6 } },
				},
			},
			plugins: [{ id: 'cursor', afterDatasetsDraw: (chart) => plot.#drawCursor(chart) }],
		};
	}

	#drawCursor(chart) {
		if (this.cursor === null)
			return;
		const x = chart.scales.x.getPixelForValue(this.cursor);
		const { top, bottom } = chart.chartArea;
		const c = chart.ctx;
		c.save();
		c.strokeStyle = css('--muted');
		c.setLineDash([3, 3]);
		c.beginPath();
		c.moveTo(x, top);
		c.lineTo(x, bottom);
		c.stroke();
		c.restore();
	}

	#listen(signal) {
		const move = (event) => {
			const x = event.clientX - this.canvas.getBoundingClientRect().left;
			const { left, right } = this.chart.chartArea;
			this.point(x < left || x > right ? null : this.chart.scales.x.getValueForPixel(x));
		};
		this.canvas.addEventListener('pointermove', move);
		this.canvas.addEventListener('pointerdown', move);
		this.canvas.addEventListener('pointerleave', () => this.point(null));
		this.box.addEventListener('blur', () => this.point(null));
		this.box.addEventListener('keydown', (event) => this.#key(event));
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.redraw(), { signal });
	}

	#key(event) {
		const series = this.rows[0].series;
		const last = series.buckets.length - 1;
		if (last < 0)
			return;
		const at = this.cursor === null ? last : series.nearest(this.cursor);
		const to = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 20, PageDown: at + 20, Home: 0, End: last }[event.key];
		if (to === undefined && event.key !== 'Escape')
			return;
		event.preventDefault();
		event.stopPropagation();
		this.point(to === undefined ? null : series.buckets[Math.min(last, Math.max(0, to))].last_step);
		announce([this.at.textContent, ...this.rows.map((row) => `${row.label} ${row.value.textContent}${row.range.textContent}`)].join(', '));
	}

	/** The pointer is at a step (null: nowhere). */
	point(step) {
		this.setCursor(step);
		this.onCursor?.(step, this);
	}

	setCursor(step) {
		const series = this.rows[0].series;
		const i = step === null ? -1 : series.nearest(step);
		const snapped = i < 0 ? null : series.buckets[i].last_step;
		if (snapped === this.cursor)
			return;
		this.cursor = snapped;
		this.#readout();
		if (this.chart)
			this.chart.draw();
	}

	#readout() {
		let title = '';
		for (const row of this.rows) {
			const { series } = row;
			const bucket = this.cursor === null ? series.newest : series.buckets[series.nearest(this.cursor)];
			setText(row.value, bucket ? f.figure(bucket.last) : '–');
			setText(row.range, bucket && this.cursor !== null && bucket.count > 1 ? ` (${f.figure(bucket.min)} to ${f.figure(bucket.max)})` : '');
			if (bucket && !title)
				title = bucket.count > 1 && this.cursor !== null ? `steps ${f.count(bucket.step)} to ${f.count(bucket.last_step)}` : `step ${f.count(bucket.last_step)}`;
		}
		setText(this.at, title);
	}

	/** Soon: many calls make one drawing, and none while the page is hidden (no frames then). */
	schedule() {
		if (this.timer)
			return;
		this.timer = setTimeout(() => requestAnimationFrame(() => this.redraw()), Math.max(0, this.drawnAt + REDRAW_MS - performance.now()));
	}

	redraw() {
		this.timer = 0;
		this.drawnAt = performance.now();
		this.#readout();
		if (!this.chart?.ctx)
			return;
		const { datasets } = this.chart.data;
		let first = Infinity, last = -Infinity;
		this.rows.forEach((row, i) => {
			const { series } = row;
			const colour = css(row.colour);
			const [low, high, line] = datasets.slice(3 * i, 3 * i + 3);
			low.data = series.edge('min');
			high.data = series.edge('max');
			line.data = series.line(this.smoothing);
			high.backgroundColor = low.borderColor = high.borderColor = css(`${row.colour}-band`);
			// A point that is one step has no band: its edges show what the smooth line leaves out.
			low.borderWidth = high.borderWidth = this.smoothing > 0 ? 1 : 0;
			line.borderColor = colour;
			line.borderDash = row.dash ?? [];
			low.hidden = high.hidden = line.hidden = row.hidden;
			if (series.newest) {
				first = Math.min(first, series.buckets[0].step);
				last = Math.max(last, series.newest.last_step);
			}
		});
		const { x, y } = this.chart.options.scales;
		x.min = Number.isFinite(first) ? first : 0;
		x.max = Number.isFinite(last) && last > first ? last : x.min + 1;
		for (const axis of [x, y]) {
			axis.ticks.color = css('--muted');
			axis.grid.color = css('--grid');
			axis.grid.borderColor = css('--line');
		}
		this.chart.update('none');
	}
}
