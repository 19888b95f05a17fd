"""Apache Spark with Delta Lake in this process's own JVM: a third reader, of other origin."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from .processes import DEPS


def start_spark(directory: Path) -> SparkSession:
    """`directory` takes what Spark would leave behind in the working directory."""
    jars = sorted(str(jar) for jar in (DEPS / "spark" / "jars").glob("*.jar"))
    return (
        SparkSession.builder.master("local[1]")
        .config("spark.jars", ",".join(jars))
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config(
            "spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog"
        )
        .config("spark.sql.warehouse.dir", str(directory / "warehouse"))
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.driver.memory", "512m")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
