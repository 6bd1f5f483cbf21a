// What fingers, mouse and keys mean on a chart.
//
// Drag selects a range, two fingers stretch and move it, the wheel zooms with Ctrl (or once
// the chart has the focus, so that scrolling past is not caught), a double click shows
// everything. Keys: arrows read values, with Shift they move the range; + and - zoom, 0
// shows everything, Escape lets go.

const DRAG_PX = 5;

/**
 * plot: {box, canvas, chart, look: {from, to}, cursor}; on: zoom(from, to), reset(), point(x or null), read(key): whether it was taken,
 * brush([a, b] or null): what is being selected.
 */
export function gestures(plot, on) {
	const { box, canvas } = plot;
	const touches = new Map(); // pointer id -> pixel
	let pinch = null;          // [[id, x], [id, x]]: what the two fingers hold
	let drag = null;           // {from: pixel, moved}

	const pixel = (event) => event.clientX - canvas.getBoundingClientRect().left;
	const area = () => plot.chart.chartArea;
	const inside = (px) => Math.min(area().right, Math.max(area().left, px));
	const at = (px) => plot.chart.scales.x.getValueForPixel(px);

	function zoomBy(factor, centre) {
		const { from, to } = plot.look;
		on.zoom(centre - (centre - from) * factor, centre + (to - centre) * factor);
	}

	function stretch() {
		const [[a, xa], [b, xb]] = pinch;
		const pa = touches.get(a), pb = touches.get(b);
		if (Math.abs(pb - pa) < DRAG_PX)
			return;
		const each = (xb - xa) / (pb - pa);
		const from = xa - (pa - area().left) * each;
		if (each > 0)
			on.zoom(from, from + (area().right - area().left) * each);
	}

	canvas.addEventListener('pointerdown', (event) => {
		const px = pixel(event);
		if (event.pointerType === 'touch') {
			touches.set(event.pointerId, px);
			pinch = touches.size === 2 ? [...touches].map(([id, p]) => [id, at(p)]) : null;
			on.point(touches.size === 1 ? at(inside(px)) : null);
		} else if (event.button === 0 && px >= area().left && px <= area().right) {
			drag = { from: px, moved: false };
			canvas.setPointerCapture(event.pointerId);
		}
	});
	canvas.addEventListener('pointermove', (event) => {
		const px = pixel(event);
		if (touches.has(event.pointerId))
			touches.set(event.pointerId, px);
		if (pinch) {
			stretch();
			return;
		}
		if (drag && (drag.moved ||= Math.abs(px - drag.from) > DRAG_PX))
			on.brush([at(drag.from), at(inside(px))]);
		on.point(px < area().left || px > area().right ? null : at(px));
	});
	const release = (event) => {
		touches.delete(event.pointerId);
		pinch = null;
		if (!drag)
			return;
		const a = at(drag.from), b = at(inside(pixel(event)));
		const { moved } = drag;
		drag = null;
		on.brush(null);
		if (moved && event.type === 'pointerup')
			on.zoom(Math.min(a, b), Math.max(a, b));
	};
	canvas.addEventListener('pointerup', release);
	canvas.addEventListener('pointercancel', release);
	canvas.addEventListener('pointerleave', () => drag || on.point(null));
	canvas.addEventListener('dblclick', () => on.reset());
	canvas.addEventListener('wheel', (event) => {
		if (!(event.ctrlKey || event.metaKey || event.altKey || box.contains(document.activeElement)))
			return;
		event.preventDefault();
		const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * 30;
		zoomBy(Math.exp(Math.max(-200, Math.min(200, lines)) * 0.003), at(inside(pixel(event))));
	}, { passive: false });

	box.addEventListener('blur', () => on.point(null));
	box.addEventListener('keydown', (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey || event.target !== box)
			return;
		const { from, to } = plot.look;
		const centre = plot.cursor ?? (from + to) / 2, step = (to - from) / 5;
		const way = { ArrowLeft: -step, ArrowRight: step }[event.key];
		if (event.shiftKey && way)
			on.zoom(from + way, to + way);
		else if (event.key === '+' || event.key === '=')
			zoomBy(0.5, centre);
		else if (event.key === '-' || event.key === '_')
			zoomBy(2, centre);
		else if (event.key === '0')
			on.reset();
		else if (!on.read(event.key))
			return;
		event.preventDefault();
		event.stopPropagation();
	});
}
