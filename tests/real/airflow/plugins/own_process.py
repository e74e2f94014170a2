"""`airflow dags test` runs all tasks in one process, in production each has its own. What the hooks of one task have told
the lineage collector is no part of the next one's."""

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.lineage import get_hook_lineage_collector


class Listener:
    @hookimpl(tryfirst=True)
    def on_task_instance_running(self, previous_state, task_instance):
        get_hook_lineage_collector.cache_clear()


class OwnProcess(AirflowPlugin):
    name = "own_process"
    listeners = [Listener()]
