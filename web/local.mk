# The page: static files, served as they are (api/ builds them into the daemon).
web_files = \
	web/index.html web/style.css web/icon.svg \
	web/actions.js web/api.js web/app.js web/axis.js web/checkpoints.js web/compare.js \
	web/controls.js web/curves.js web/datasets.js web/differences.js web/dom.js web/events.js \
	web/field.js web/fields.js web/form.js web/format.js web/generate.js web/ink.js \
	web/job.js web/job_row.js web/jobs.js web/log.js web/pane.js web/panel.js \
	web/picture.js web/plot.js web/progress.js web/run.js web/sample_row.js web/samples.js \
	web/series.js web/session.js web/state.js web/zoom.js
EXTRA_DIST += $(web_files)
