// The curves of a job, and what they mean.

import { h, busy, toast } from './dom.js';
import * as api from './api.js';
import { FINAL } from './state.js';
import { Run } from './run.js';
import { panel } from './panel.js';

const KEYS = ['loss_d', 'loss_g', 'd_real', 'd_fake', 'd_fake_after', 'swd', 'ms_ssim', 'images_per_s'];
const MOST = 800; // buckets kept of each

/** What D loses, G loses and D says when D can only guess. */
export const GUESS = {
	loss_d: { y: 2 * Math.LN2, text: 'D cannot tell: 2 ln 2', short: '2 ln 2' },
	loss_g: { y: Math.LN2, text: 'ln 2', short: 'ln 2' },
	d_real: { y: 0.5, text: 'D cannot tell: ½', short: '½' },
	d_fake: { y: 0.5, text: 'D cannot tell: ½', short: '½' },
};

export function curves(ctx) {
	const run = new Run(ctx.id, KEYS, MOST);
	const rows = (list) => list.map((row) => ({ ...row, run, series: run.series[row.id] }));
	const view = panel({
		runs: [run], ctx, trailing: true,
		empty: () => (FINAL.has(run.job?.state) ? 'There are none: the job ended before its first step.' : 'The curves begin with the first step.'),
		specs: [
			{ title: 'Loss', log: true, guides: [GUESS.loss_d, GUESS.loss_g], rows: rows([
				{ id: 'loss_d', label: 'D', colour: '--plot-d' },
				{ id: 'loss_g', label: 'G', colour: '--plot-g', dash: [7, 2] }]) },
			{ title: 'What D says', min: 0, max: 1, guides: [GUESS.d_real], rows: rows([
				{ id: 'd_real', label: 'D(x), real', colour: '--plot-d' },
				{ id: 'd_fake', label: 'D(G(z)), generated', colour: '--plot-g', dash: [7, 2] },
				{ id: 'd_fake_after', label: 'D(G(z)) after', colour: '--plot-extra', dash: [2, 3], hidden: true }]) },
			{ title: 'Distance from real pictures (SWD)', log: true, none: 'Measured at the ends of epochs.', rows: rows([
				{ id: 'swd', label: 'Lower is better', colour: '--plot-extra' }]) },
			{ title: 'Likeness of generated pictures to each other (MS-SSIM)', min: 0, max: 1, none: 'Measured at the ends of epochs.', rows: rows([
				{ id: 'ms_ssim', label: 'Near 1: all alike', colour: '--plot-extra' }]) },
			{ title: 'Speed', rows: rows([
				{ id: 'images_per_s', label: 'Images a second', colour: '--plot-extra' }]) },
		],
	});
	const csv = h('button', { type: 'button', class: 'quiet', 'data-do': 'csv' }, 'CSV');
	csv.addEventListener('click', () => download(ctx.id, csv));
	return h('section', { class: 'card curves', 'aria-labelledby': 'curves-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'curves-title' }, 'Curves'), csv),
		view.controls, view.body, view.told, explanation());
}

/** For who learns what a GAN does. */
export function explanation() {
	const term = (name, ...text) => [h('dt', {}, name), h('dd', {}, ...text)];
	return h('div', { class: 'help' },
		h('p', { class: 'muted small keys', id: 'chart-keys' },
			'Drag over a chart to zoom; Ctrl and wheel, or two fingers, too; a double click shows everything. ',
			'With a chart in focus: arrows read values, with Shift they move, + and − zoom, 0 shows everything.'),
		h('details', {}, h('summary', {}, 'What these curves mean'),
			h('dl', { class: 'meaning' },
				term('What D says', 'D looks at a picture and says how likely it is real. D(x) is its mean over a minibatch of real pictures, D(G(z)) over pictures that G drew from noise z. ',
					'Early on D(x) is near 1 and D(G(z)) near 0. The better G becomes, the closer both come to ½: D can only guess.'),
				term('Loss of D', 'The mean of −ln D(x) plus the mean of −ln(1 − D(G(z))). 2 ln 2 ≈ 1.386 (dotted) when D says ½ to every picture; near 0 when it tells real from generated almost every time; above 1.386 it does worse than by guessing.'),
				term('Loss of G', 'The mean of −ln D(G(z)): ln 2 ≈ 0.693 (dotted) when D says ½; it grows as D rejects what G draws. With a loss of 3, D gives the pictures about 5 %.'),
				term('How to read them', 'The two play against each other, so neither loss has to fall as pictures become better. Healthy is a long, noisy balance. ',
					'A loss of D that sinks to 0 and stays, with D(G(z)) at 0, means that D has won and G learns little. Whether all pictures look the same (mode collapse) only the samples show.'),
				term('D(G(z)) after', 'D(G(z)) once more in the same step, when G is updated: D has just learned, so it is mostly lower than before.'),
				term('SWD', 'The sliced Wasserstein distance, times 1000, between small patches of generated and of real pictures: lower is better. It is measured at the ends of epochs, and noisy; between two sets of real pictures it is not 0 either. Compare it only at the same size and number of pictures, on the same data.'),
				term('MS-SSIM', 'How much two generated pictures look alike, the mean over many pairs: 1 when they are the same. Real pictures are the measure: much above what these have, G repeats itself (mode collapse).'),
				term('With label smoothing', 'D’s target for real pictures is a little below 1, so its loss cannot reach 0. The dotted lines stay where they are.'))));
}

/** All series as a file, every step up to the API's limit of points. A link could not ask for
 * CSV, which the API gives by the Accept header. */
async function download(id, button) {
	busy(button, true);
	try {
		const text = await api.getText(`/jobs/${id}/metrics?max_points=20000`, 'text/csv', { timeout: 120000 });
		const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
		h('a', { href: url, download: `job-${id}-metrics.csv` }).click();
		setTimeout(() => URL.revokeObjectURL(url), 60000);
	} catch (error) {
		toast(error.message, 'error');
	}
	busy(button, false);
}
