"""What benchmarks are compared with, and how they say it; and the machine they ran on."""
import os
import platform
import statistics
import subprocess


def spread(values):
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3),
            "max": round(max(values), 3)}


def goal(name, values, bound, unit, decides):
    """`bound` is ("<=", x) or (">=", x). The median counts."""
    result = {"goal": name, **spread(values), "unit": unit, "bound": f"{bound[0]} {bound[1]}",
              "decides": decides}
    value = statistics.median(values)
    result["met"] = value <= bound[1] if bound[0] == "<=" else value >= bound[1]
    return result


def show(result):
    verdict = "ok" if result["met"] else ("TOO SLOW" if result["decides"] else "missed")
    print(f"{result['goal']:<52} {result['median']:>9} {result['unit']:<12} "
          f"({result['min']} .. {result['max']})  wanted {result['bound']:<8} {verdict}", flush=True)


def share(values, part):
    """The value below which that part of them lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(),
            "load_before": round(os.getloadavg()[0], 2)}


def commit():
    root = os.environ.get("BUILD_WORKSPACE_DIRECTORY", ".")
    done = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty", "--exclude", "*"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or "unknown"
