# Settings of the kernel that runs the notebooks; ipykernel reads this file.
c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.InlineBackend.figure_formats = {"svg", "png"}
c.HistoryManager.enabled = False
