"""A run on a cluster that looks like a run at home.

    address.py    what `--on` may be
    package.py    what is sent: this package's source, the clips of the run, its settings, and how far it came
    worker.py     on the cluster: the run itself, which reports on stdout
    frames.py     that story: events and files with checksums, one line each
    receiver.py   at home: checks it and writes it into the run's folder
    follower.py   at home: submits, follows, stops, and sends anew what was lost with its machine
    ray_jobs.py   the one module that knows Ray
    sky.py        a task file for SkyPilot

The job's own log is the only way back: Ray keeps it and serves it from its start over the same HTTP address that took
the job, so that no port, shared disk or version has to match, and a follower that was away misses nothing. Checkpoints
come home by it too, so a run goes on elsewhere when its machine is lost, and after the whole cluster is.
"""
