// What Chart.js is asked to draw for a plot (plot.js): its axes, lines and marks.

import { css } from './dom.js';
import { ticks, logTicks, valueTick } from './axis.js';

const AXIS_PX = 48; // the same for all, so that charts below each other are in line

/** The configuration of a plot's chart: two axes, four lines for each of its rows, then the dots of each. */
export function chartOf(plot) {
	const common = { parsing: false, pointRadius: 0, pointHitRadius: 0, borderJoinStyle: 'round', tension: 0, borderWidth: 0, fill: false };
	// Options of points are the same for all of a dataset, and never functions: Chart.js would work them out for each.
	const lines = plot.rows.flatMap(() => [{ ...common }, { ...common, fill: '-1' }, { ...common, borderWidth: 1 }, { ...common, borderWidth: 1.75 }]);
	const dots = plot.rows.map(() => ({ ...common, showLine: false, pointRadius: 2.5, clip: 4, data: [] }));
	const most = (scale, each) => Math.max(2, Math.floor((scale.axis === 'x' ? scale.chart.width : scale.chart.height) / each));
	const spaced = (values) => values.map((value) => ({ value }));
	return {
		type: 'line',
		data: { datasets: [...lines, ...dots] },
		options: {
			animation: false, responsive: true, maintainAspectRatio: false, normalized: true, events: [],
			layout: { padding: { right: 10 } },
			plugins: { legend: { display: false }, tooltip: { enabled: false } },
			scales: {
				x: {
					type: 'linear', grid: { drawTicks: false }, title: { display: true, text: '', font: { size: 11 }, padding: 0 },
					ticks: { maxRotation: 0, padding: 6, autoSkip: false, font: { size: 11 }, callback: (v, i, all) => plot.look.axis.tick(v, all.length > 1 ? all[1].value - all[0].value : 1) },
					afterBuildTicks: (scale) => {
						scale.ticks = spaced(plot.look.axis.ticks(scale.min, scale.max, most(scale, 68)));
					},
				},
				y: {
					beginAtZero: true, grace: '6%', grid: { drawTicks: false }, ticks: { padding: 6, autoSkip: false, font: { size: 11 }, callback: valueTick },
					afterBuildTicks: (scale) => {
						scale.ticks = spaced((scale.type === 'logarithmic' ? logTicks : ticks)(scale.min, scale.max, most(scale, 36)));
					},
					afterFit: (scale) => {
						scale.width = AXIS_PX;
					},
				},
			},
		},
		plugins: [{ id: 'marks', beforeDatasetsDraw: () => drawGuides(plot), afterDatasetsDraw: () => {
			nameGuides(plot);
			drawPointer(plot);
		} }],
	};
}

/** Those that are in sight, each with its height in pixels. */
function guidesOf({ guides, chart: { chartArea: { top, bottom }, scales: { y } } }) {
	return guides.map((guide) => ({ ...guide, at: y.getPixelForValue(guide.y) })).filter(({ at }) => at > top + 12 && at < bottom);
}

function drawGuides(plot) {
	const { ctx, chartArea: { left, right } } = plot.chart;
	ctx.save();
	for (const { at } of guidesOf(plot)) {
		ctx.strokeStyle = css('--muted');
		ctx.lineWidth = 1;
		ctx.setLineDash([2, 4]);
		ctx.beginPath();
		ctx.moveTo(left, at);
		ctx.lineTo(right, at);
		ctx.stroke();
	}
	ctx.restore();
}

/** Over the lines, or they could not be read; at the left, where no hand waits for the newest. */
function nameGuides(plot) {
	const { ctx, chartArea: { left, right } } = plot.chart;
	ctx.save();
	ctx.font = '11px system-ui, sans-serif';
	ctx.lineJoin = 'round';
	ctx.lineWidth = 3;
	ctx.strokeStyle = css('--card');
	ctx.fillStyle = css('--muted');
	for (const { at, short, text } of guidesOf(plot)) {
		const name = right - left < 420 ? short : text;
		ctx.strokeText(name, left + 6, at - 5);
		ctx.fillText(name, left + 6, at - 5);
	}
	ctx.restore();
}

function drawPointer(plot) {
	const { ctx, chartArea: { left, right, top, bottom }, scales: { x } } = plot.chart;
	ctx.save();
	if (plot.brush) {
		const [a, b] = plot.brush.map((v) => Math.min(right, Math.max(left, x.getPixelForValue(v))));
		ctx.globalAlpha = 0.18;
		ctx.fillStyle = css('--accent');
		ctx.fillRect(Math.min(a, b), top, Math.abs(b - a), bottom - top);
	} else if (plot.cursor !== null && plot.cursor >= x.min && plot.cursor <= x.max) {
		const at = x.getPixelForValue(plot.cursor);
		ctx.strokeStyle = css('--muted');
		ctx.setLineDash([3, 3]);
		ctx.beginPath();
		ctx.moveTo(at, top);
		ctx.lineTo(at, bottom);
		ctx.stroke();
	}
	ctx.restore();
}
