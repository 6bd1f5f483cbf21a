"""The Prometheus examples of docs/admin.md, as they are written there: what they ask for is what a daemon
tells, and promtool, where there is one, takes them and has each alert fire when it should and not before.
"""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import Skip, SLOW, Daemon, equal, folder, main, test  # noqa: E402

PROMTOOL = shutil.which("promtool")
with open(os.path.join(os.environ.get("top_srcdir", "."), "docs", "admin.md"), encoding="utf-8") as page:
    SCRAPE, RULES = re.findall(r"^```yaml\n(.*?)^```", page.read(), re.M | re.S)
# Of each alert: the series a minute apart (in promtool's words), the minutes after which it is silent, and after which it fires.
MIB = 1 << 20
CASES = {
    "DcgandDown": ({"up": "1 0x20"}, 4, 7),
    "DcgandRestarts": ({"process_start_time_seconds": "1 2 3 4 5x20"}, 3, 5),
    "DcgandDiskFull": ({"dcgand_disk_free_bytes": f"{600 * MIB}x2 {500 * MIB}x20", "dcgand_disk_reserve_bytes": f"{256 * MIB}x30"}, 4, 9),
    "DcgandJobFailed": ({'dcgand_jobs{state="failed"}': "7x3 8x20", 'dcgand_jobs{state="succeeded"}': "1+1x20"}, 3, 6),
    "DcgandStandstill": ({'dcgand_jobs{state="running"}': "1x70", 'dcgand_jobs{state="preparing"}': "0x70", "dcgand_events_total": "1+5x10 51x60"}, 30, 45),
}
place = folder()


def write(name, text):
    path = os.path.join(place, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def promtool(*words):
    r = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, timeout=SLOW)
    equal(r.returncode, 0, f"promtool {' '.join(words)}: {r.stdout}{r.stderr}")
    return r.stdout


@test
def they_ask_for_what_there_is():
    """each metric, and each value of a label, is in /metrics"""
    d = Daemon()
    d.register_tiny()
    d.run_job()
    told = d.get("/metrics").body.decode()
    equal(re.findall(r"- alert: (\w+)", RULES), list(CASES), "alerts")
    metrics = set(re.findall(r"\b(?:dcgand|process)_\w+", RULES))
    equal(len(metrics) >= 5, True, f"{metrics}")
    for name in metrics:
        equal(re.search(rf"^{name}[ {{]", told, re.M) is not None, True, f"{name} in /metrics")
    for name, kind, values in re.findall(r'(\w+)\{state=(~?)"([^"]+)"\}', RULES):
        for value in values.split("|") if kind else [values]:
            equal(f'{name}{{state="{value}"}}' in told, True, f"{name} of {value}")
    port = re.search(r'targets: \["127\.0\.0\.1:(\d+)"\]', SCRAPE)[1]
    config = subprocess.run([*d.command()[:1], "--print-config"], capture_output=True, text=True, timeout=SLOW).stdout
    equal(f":{port}\n" in config, True, "the port scraped is the default one")
    d.stop()


@test
def promtool_takes_them():
    """promtool finds the configuration and the rules in order"""
    if not PROMTOOL:
        raise Skip("promtool is missing")
    rules = write("rules.yml", RULES)
    write("prometheus.yml", f"rule_files: [{json.dumps(rules)}]\n{SCRAPE}")
    equal(f"{len(CASES)} rules found" in promtool("check", "config", os.path.join(place, "prometheus.yml")), True)


@test
def alerts_fire():
    """each alert is silent as long as all is well, and then fires"""
    if not PROMTOOL:
        raise Skip("promtool is missing")
    tests = []
    for alert, (series, silent, fires) in CASES.items():
        inputs = []
        for name, values in series.items():
            name = name if "{" in name else name + "{}"
            inputs.append({"series": name.replace("{", '{job="dcgand",instance="here",').replace(",}", "}"), "values": values})
        tests.append({"interval": "1m", "input_series": inputs, "alert_rule_test": [
            {"eval_time": f"{silent}m", "alertname": alert, "exp_alerts": []},
            {"eval_time": f"{fires}m", "alertname": alert, "exp_alerts": [{"exp_labels": dict(
                {"job": "dcgand", "instance": "here"}, **({"state": "failed"} if alert == "DcgandJobFailed" else {}))}]}]})
    # JSON is YAML, too.
    promtool("test", "rules", write("test.yml", json.dumps({"rule_files": [write("rules.yml", RULES)], "tests": tests})))


main()
