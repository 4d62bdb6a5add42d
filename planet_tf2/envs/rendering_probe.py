"""Renders one tiny frame with the backend that MUJOCO_GL names.

Run as `python -m planet_tf2.envs.rendering_probe`. Prints a line of JSON with
the name of the renderer, or fails with the reason on the last line of stderr.
"""

import json
import os
import sys

from dm_control import mujoco

_MODEL = """
<mujoco>
  <worldbody>
    <light pos="0 0 3"/>
    <geom type="sphere" size="1" rgba="1 0 0 1"/>
    <camera pos="0 -3 0" xyaxes="1 0 0 0 0 1"/>
  </worldbody>
</mujoco>
"""


def main() -> None:
    """Renders, checks that something was drawn, and reports."""
    physics = mujoco.Physics.from_xml_string(_MODEL)
    image = physics.render(height=16, width=16, camera_id=0)
    if image[..., 0].max() < 32:
        sys.exit("the rendered frame is black")
    with physics.contexts.gl.make_current() as context:
        renderer = context.call(_renderer_name)
    # The module OpenGL.GL itself says nothing about software drawing when
    # OSMesa stands behind it.
    if os.environ["MUJOCO_GL"] == "osmesa":
        renderer = f"OSMesa software, {renderer}"
    print(json.dumps({"renderer": renderer}), flush=True)
    physics.free()


def _renderer_name() -> str:
    # Importable only now: MuJoCo decides which platform PyOpenGL loads.
    from OpenGL import GL

    return GL.glGetString(GL.GL_RENDERER).decode(errors="replace")


if __name__ == "__main__":
    main()
