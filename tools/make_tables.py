#!/usr/bin/env python3
"""Makes the tables in data/ from the npm package vega-datasets.

    npm pack vega-datasets@3.2.1 && tar xf vega-datasets-3.2.1.tgz
    python3 tools/make_tables.py package            # writes data/
    python3 tools/make_tables.py package --check    # compares, byte for byte; exit 1 if different

Only the standard library is used, and every number is written with a fixed number of digits,
so the same package gives the same bytes anywhere.
"""
import argparse
import csv
import datetime
import hashlib
import io
import json
import math
import pathlib
import sys

PACKAGE = "vega-datasets 3.2.1 (npm)"
LICENCE = "public domain (work of the United States government; https://www.usa.gov/government-works)"
SOURCES = {
    "seattle-weather-hourly-normals.csv": "3433511ab963755ec1a573420af962e713e66691c07c068f5a247e6891912311",
    "seattle-weather.csv": "0845078a290b48e3149ab8639966824110a251db4e06fc144c06ebb534af23be",
}


def read_source(package, name):
    """Rows of data/<name> of the package, as dictionaries; refuses another version's file."""
    raw = (package / "data" / name).read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != SOURCES[name]:
        sys.exit(f"{name}: sha256 {found}, expected {SOURCES[name]}: is this {PACKAGE}?")
    return list(csv.DictReader(io.StringIO(raw.decode())))


def circle(part, whole):
    """A cyclic quantity as a point on the unit circle: (sin, cos)."""
    angle = 2 * math.pi * part / whole
    return f"{math.sin(angle):.6f}", f"{math.cos(angle):.6f}"


def to_csv(header, rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def to_json(description):
    return json.dumps(description, indent=2, ensure_ascii=False) + "\n"


def temperature(package):
    """Hourly temperature, three hours ahead of what is known of it."""
    lag = 3
    source = "seattle-weather-hourly-normals.csv"
    features = ["hour_sin", "hour_cos", "year_sin", "year_cos", "pressure", "wind",
                "temperature_3h_before"]
    split = {"train": [], "held_out": []}
    hours = read_source(package, source)
    for before, now in zip(hours, hours[lag:]):
        then = datetime.datetime.fromisoformat(before["date"])
        time = datetime.datetime.fromisoformat(now["date"])
        if time - then != datetime.timedelta(hours=lag):
            continue  # an hour is missing in between
        day = time.timetuple().tm_yday - 1 + time.hour / 24
        row = [*circle(time.hour, 24), *circle(day, 365), now["pressure"], now["wind"],
               before["temperature"], now["temperature"]]
        # Whole blocks of days in each month, so that every season is in both.
        split["held_out" if time.day >= 25 else "train"].append([now["date"], *row])
    description = {
        "name": "temperature",
        "task": "regression",
        "target": "temperature",
        "features": features,
        "description": "Temperature in degrees Celsius of each hour of the year in Seattle (normals "
                       "1981-2010), from hour and day of the year, pressure, wind and the "
                       "temperature three hours before.",
        "split": "held_out: from the 25th day of each month on; train: the days before",
        "source": {
            "made_by": "tools/make_tables.py",
            "package": PACKAGE,
            "file": f"data/{source}",
            "sha256": SOURCES[source],
            "origin": "NOAA National Climatic Data Center, Climate Normals 1981-2010, hourly "
                      "(https://www.ncdc.noaa.gov/cdo-web/datatools/normals)",
            "licence": LICENCE,
        },
    }
    return finish(description, ["date", *features, "temperature"], split)


def weather(package):
    """What kind of day it was."""
    source = "seattle-weather.csv"
    features = ["precipitation", "temp_max", "temp_min", "wind", "year_sin", "year_cos",
                "precipitation_day_before", "temp_max_day_before"]
    split = {"train": [], "held_out": []}
    days = read_source(package, source)
    for before, now in zip(days, days[1:]):
        date = datetime.date.fromisoformat(now["date"])
        if date - datetime.date.fromisoformat(before["date"]) != datetime.timedelta(days=1):
            continue  # a day is missing in between
        row = [now["precipitation"], now["temp_max"], now["temp_min"], now["wind"],
               *circle(date.timetuple().tm_yday - 1, 365.25), before["precipitation"],
               before["temp_max"], now["weather"]]
        split["held_out" if date.year == 2015 else "train"].append([now["date"], *row])
    description = {
        "name": "weather",
        "task": "classification",
        "target": "weather",
        "features": features,
        "description": "Kind of weather (drizzle, fog, rain, snow or sun) of each day of four years "
                       "in Seattle, from precipitation (mm), temperatures (degrees Celsius), wind, "
                       "day of the year and the day before.",
        "split": "held_out: the year 2015; train: 2012 to 2014",
        "source": {
            "made_by": "tools/make_tables.py",
            "package": PACKAGE,
            "file": f"data/{source}",
            "sha256": SOURCES[source],
            "origin": "NOAA National Climatic Data Center, daily records "
                      "(https://www.ncdc.noaa.gov/cdo-web/datatools/records); the package derived "
                      "the column weather from several of its fields",
            "licence": LICENCE,
        },
    }
    return finish(description, ["date", *features, "weather"], split)


def finish(description, header, split):
    description["rows"] = {name: len(rows) for name, rows in split.items()}
    files = {f"{name}.csv": to_csv(header, rows) for name, rows in split.items()}
    files["dataset.json"] = to_json(description)
    return {f"{description['name']}/{name}": text for name, text in files.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=pathlib.Path, help="the unpacked npm package")
    parser.add_argument("--out", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent / "data")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    different = 0
    for name, text in {**temperature(options.package), **weather(options.package)}.items():
        path = options.out / name
        if options.check:
            same = path.is_file() and path.read_bytes() == text.encode()
            different += not same
            print(f"{path}: {'same' if same else 'DIFFERENT'}")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            print(f"{path}: written")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
